"""How large a message is: counted here for consumers, producers and relays alike."""

from __future__ import annotations

from collections.abc import Iterable

from .headers import Headers

# What Kafka's format has around a record and a header at the most, as the client reckons.
RECORD_OVERHEAD_BYTES = 36
HEADER_OVERHEAD_BYTES = 10
HELD_MESSAGE_BYTES = 400
"""What client and Python keep around the content of one message that waits."""
HELD_HEADER_BYTES = 150
"""The same around the content of each of its headers."""


def record_bytes(
    key: str | bytes | None, value: str | bytes | None, headers: Iterable[tuple[str, str | bytes | None]]
) -> int:
    """What Kafka takes a message for: key, value, headers, and what its format puts around them."""
    size = RECORD_OVERHEAD_BYTES + len(key or b"") + len(value or b"")
    return size + sum(len(name.encode()) + len(data or b"") + HEADER_OVERHEAD_BYTES for name, data in headers)


def held_bytes(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """The memory that a message takes while it waits: key, value, headers, and the objects around them."""
    return HELD_MESSAGE_BYTES + len(key or b"") + len(value or b"") + held_header_bytes(headers)


def held_header_bytes(headers: Headers) -> int:
    """The part of ``held_bytes`` that is the headers'."""
    return sum(len(name) + len(data or b"") + HELD_HEADER_BYTES for name, data in headers)

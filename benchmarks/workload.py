"""The messages that are read and written: keyed JSON, all of one size. Needs nothing but Python."""

from __future__ import annotations

PARTITIONS = 4
VALUE_BYTES = 200
KEYS = 1000
BATCH = 500
"""Messages that are handled at a time, where a contender has batches."""


def value(number: int, size: int = VALUE_BYTES) -> bytes:
    """A value of `size` bytes, which says so itself: whoever decodes it can prove that it has read it."""
    user, amount = number % KEYS, number % 997
    head = f'{{"number": {number}, "size": {size}, "user": "user-{user}", "amount": {amount}, "note": "'
    return (head + "x" * (size - len(head) - 2) + '"}').encode()


def key(number: int) -> bytes:
    return b"user-%d" % (number % KEYS)


def keyed(count: int) -> list[tuple[bytes, bytes]]:
    """The keys and values of so many messages."""
    return [(key(number), value(number)) for number in range(count)]

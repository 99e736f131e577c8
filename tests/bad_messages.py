"""Messages that no handler can make sense of, and good ones that only look odd."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sent:
    """A record as its producer meant it."""

    name: str
    value: bytes | None
    key: bytes | None = b"key"
    headers: tuple[tuple[str, bytes | None], ...] = ()


HEADERS = (("trace", b"1"), ("trace", None), ("raw", b"\xff\x00"), ("", b""))


def _bad(name: str, value: bytes) -> Sent:
    return Sent(name, value, key=b"\xff" + name.encode(), headers=HEADERS)


# For a handler that reads the value as a JSON object with a whole number "id" of at most 8 bytes.
BAD_JSON = [
    _bad("invalid UTF-8", b'{"id": "\xff"}'),
    _bad("truncated", b'{"id": 1'),
    _bad("empty", b""),
    _bad("nested too deeply", b"[" * 100_000 + b"]" * 100_000),
    _bad("NaN", b'{"id": NaN}'),
    _bad("Infinity", b'{"id": Infinity}'),
    _bad("minus Infinity", b'{"id": -Infinity}'),
    _bad("too large for a float", b'{"id": 1e400}'),
    _bad("5,000 digits", b'{"id": ' + b"7" * 5000 + b"}"),
    _bad("a lone surrogate", b'{"id": "\\ud800"}'),
    _bad("U+0000 in text", b'{"id": "a\\u0000b"}'),
    _bad("a scalar", b"5"),
    _bad("a list", b"[1]"),
    _bad("null", b"null"),
    _bad("above bigint", b'{"id": 9223372036854775808}'),
    _bad("an unknown type", b'{"id": 1, "type": "moon"}'),
    _bad("HTML and ANSI", b"<script>alert(1)</script>\x1b[2J\r\n"),
]

# For a handler that takes any bytes.
GOOD = [
    Sent("a tombstone", None),
    Sent("an empty value", b""),
    Sent("no key", b"v", key=None),
    Sent("an empty key", b"v", key=b""),
    Sent("binary", bytes(range(256)), key=bytes(range(256))),
    Sent("a large key", b"v", key=b"k" * 900_000),
    Sent("odd headers", b"v", headers=HEADERS),
    Sent(
        "forged retry headers",
        b"v",
        headers=(("kafka_integration_attempts", b"99"), ("retry-count", b"99"), ("kafka_integration_id", b"x")),
    ),
]

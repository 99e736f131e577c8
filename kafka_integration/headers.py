"""Message headers: an ordered list of pairs, in which names repeat and values may be null."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .errors import InvalidMessageError

Headers = list[tuple[str, bytes | None]]
GivenHeaders = Mapping[str, str | bytes | None] | Iterable[tuple[str, str | bytes | None]]
"""As callers may give them; ``normalize_headers`` makes ``Headers`` of them."""


def normalize_headers(headers: Mapping[str, Any] | Iterable[Any] | None) -> Headers:
    """The headers as Kafka takes them; refuses what is neither str, bytes nor None, and names the header."""
    if not headers:
        return []
    if isinstance(headers, (str, bytes)) or not isinstance(headers, Iterable):
        raise InvalidMessageError(
            f"headers is of type {type(headers).__name__}: give a dict or a list of (name, value) pairs."
        )
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [_normalize(index, pair) for index, pair in enumerate(pairs)]


def dump_headers(headers: Headers) -> list[list[Any]]:
    """The headers for a JSONField: ``[name, value]``, where a value that is no plain text is ``{"base64": …}``."""
    return [[name, None if value is None else _dump(value)] for name, value in headers]


def load_headers(dumped: Iterable[Sequence[Any]]) -> Headers:
    """The headers that ``dump_headers`` wrote."""
    return [(name, value.encode() if type(value) is str else _load(value)) for name, value in dumped]


def read_headers(dumped: Any) -> Headers | None:
    """The same of a row that others may have written; None for what ``dump_headers`` never writes."""
    if not isinstance(dumped, list):
        return None
    try:
        headers = load_headers(dumped)
    except (AttributeError, LookupError, TypeError, ValueError):
        return None
    return headers if all(isinstance(name, str) for name, _ in headers) else None


def _dump(value: bytes) -> str | dict[str, str]:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    # PostgreSQL's jsonb refuses U+0000.
    return text if "\0" not in text else {"base64": b64encode(value).decode()}


def _load(value: Mapping[str, str] | None) -> bytes | None:
    return None if value is None else b64decode(value["base64"])


def _normalize(index: int, pair: Any) -> tuple[str, bytes | None]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise InvalidMessageError(f"headers[{index}] is no (name, value) pair.")
    name, value = pair
    _check_name(index, name)
    if value is None or type(value) is bytes:
        return name, value
    if isinstance(value, str):
        try:
            return name, value.encode()
        except UnicodeEncodeError as error:
            raise InvalidMessageError(f"Header {name!r} holds a lone surrogate, which UTF-8 can't carry.") from error
    if isinstance(value, (bytes, bytearray, memoryview)):
        return name, bytes(value)
    raise InvalidMessageError(
        f"Header {name!r} is of type {type(value).__name__}: header values are str or bytes (or None). Use str(…)."
    )


def _check_name(index: int, name: Any) -> None:
    if not isinstance(name, str):
        raise InvalidMessageError(f"The name of headers[{index}] is of type {type(name).__name__}: give a str.")
    # librdkafka takes names as C strings and would cut one at NUL.
    if "\0" in name:
        raise InvalidMessageError(
            f"The name of headers[{index}] holds a NUL character, which Kafka's client can't send."
        )
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InvalidMessageError(f"The name of headers[{index}] holds a lone surrogate.") from error

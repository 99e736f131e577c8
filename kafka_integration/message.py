"""``Message``: what a handler is given."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import methodcaller
from typing import Any, Literal, Protocol

from .codecs import Field, PlacedCodec
from .errors import DecodeError, SchemaUnavailableError
from .headers import Headers
from .serialization import Deserializer, decode_json
from .unavailability import description_of, unavailability_of

TimestampType = Literal["create", "append"]

ILLEGIBLE_NAME = "\N{REPLACEMENT CHARACTER}"
"""In place of a header's name that is not UTF-8: the client hands out names as text only."""

# Not raw.headers(): a client that fails at a name answers and raises at once, and Python 3.11 and later, where they
# have optimized the call, no longer look whether it raised. A call from C always looks.
_ask_headers = methodcaller("headers")
_TIMESTAMP_TYPES: dict[int, TimestampType] = {1: "create", 2: "append"}
_TIMESTAMP_KINDS: dict[TimestampType | None, int] = {name: kind for kind, name in _TIMESTAMP_TYPES.items()} | {None: 0}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unread:
    """Stands for a key or value that nobody has read yet, also in a copy.

    An attribute that isn't there would be told by an exception, which takes five times as long.
    """


class RawMessage(Protocol):
    """The client's message, as far as ``Message`` reads it."""

    def topic(self) -> str | None: ...
    def partition(self) -> int | None: ...
    def offset(self) -> int | None: ...
    def key(self) -> Any: ...
    def value(self) -> Any: ...
    def headers(self) -> Any: ...
    def timestamp(self) -> tuple[int, int]: ...
    def leader_epoch(self) -> int | None: ...


class KeptRecord:
    """A record that no client holds any more, as a client would hand it out."""

    __slots__ = ("_headers", "_key", "_place", "_timestamp", "_value")

    def __init__(
        self,
        *,
        place: tuple[str, int, int],
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        ts: int | None = None,
        ts_type: TimestampType | None = None,
    ) -> None:
        self._place = place
        self._key = key
        self._value = value
        self._headers = headers
        self._timestamp = _TIMESTAMP_KINDS.get(ts_type, _TIMESTAMP_KINDS[None]), -1 if ts is None else ts

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def offset(self) -> int:
        return self._place[2]

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> Headers:
        return self._headers

    def timestamp(self) -> tuple[int, int]:
        return self._timestamp

    def leader_epoch(self) -> int | None:
        return None


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How a consumer's keys and values are read; a deserializer gets the bytes, never None."""

    key: Deserializer
    value: Deserializer

    @property
    def is_placed(self) -> bool:
        """Whether one of the two is told where the bytes are from, as only a ``PlacedMessage`` can."""
        return isinstance(self.key, PlacedCodec) or isinstance(self.value, PlacedCodec)


_AS_BYTES = Decoding(key=bytes, value=bytes)


class Message:
    """One record of a topic, as a handler gets it.

    ``key`` and ``value`` are decoded on first use, once; ``key_bytes`` and ``value_bytes`` are what Kafka
    holds. A null value (a tombstone) and a null key are None, an empty one is not. The repr shows
    coordinates and no payload. A message belongs to the handler that was given it and is not locked.
    """

    __slots__ = ("_key", "_value", "attempt", "decoding", "raw")

    raw: RawMessage
    """The client's message: for the consumer loop, not for handlers."""

    attempt: int
    """Which execution of the handler this is, 1 the first time."""

    def __init__(self, raw: RawMessage, decoding: Decoding, attempt: int = 1) -> None:
        self.raw = raw
        self.decoding = decoding
        self.attempt = attempt
        self._key: Any = Unread
        self._value: Any = Unread

    def __repr__(self) -> str:
        return f"<Message {self.topic}[{self.partition}]@{self.offset}>"

    @property
    def topic(self) -> str:
        return self.raw.topic()  # type: ignore[return-value]  # only errors lack a topic, and they never get here

    @property
    def partition(self) -> int:
        return self.raw.partition()  # type: ignore[return-value]  # as above

    @property
    def offset(self) -> int:
        return self.raw.offset()  # type: ignore[return-value]  # as above

    @property
    def key_bytes(self) -> bytes | None:
        return self.raw.key()  # type: ignore[no-any-return]  # bytes or None: no deserializer runs in the client

    @property
    def value_bytes(self) -> bytes | None:
        return self.raw.value()  # type: ignore[no-any-return]  # as above

    @property
    def key(self) -> Any:
        """The decoded key; ``DecodeError`` if its deserializer can't read it."""
        key = self._key
        if key is Unread:
            self._key = key = self._decoded(self.decoding.key, self.raw.key(), "key")  # type: ignore[arg-type]  # as below
        return key

    @property
    def value(self) -> Any:
        """The decoded value; ``DecodeError`` if its deserializer can't read it."""
        value = self._value
        if value is Unread:
            # Written out here: a call more for each message is what a batch of them is read for.
            value = self.raw.value()
            # Nor a call of bytes(), which takes as long as all else here.
            if value is not None and (decode := self.decoding.value) is not bytes:
                try:
                    value = decode(value)  # type: ignore[call-arg]  # no PlacedCodec: see message_of
                except Exception as error:  # noqa: BLE001 - raised as what it is, see _failure
                    raise self._failure("value", error)  # noqa: B904 - the error itself, or with it as its cause
            self._value = value
        return value

    @property
    def headers(self) -> Headers:
        """Pairs in the order they were sent, repeated names and null values included."""
        headers, self.raw = headers_of(self.raw)
        return headers

    @property
    def ts(self) -> int | None:
        """Milliseconds since 1970 (UTC), or None where the record has no timestamp."""
        kind, ms = self.raw.timestamp()
        return ms if kind in _TIMESTAMP_TYPES and ms >= 0 else None

    @property
    def ts_type(self) -> TimestampType | None:
        """Who set the timestamp: "create" the producer, "append" the broker."""
        return _TIMESTAMP_TYPES.get(self.raw.timestamp()[0])

    @property
    def timestamp(self) -> datetime | None:
        """``ts`` as an aware datetime; None where absent or beyond what a datetime can hold."""
        ms = self.ts
        return None if ms is None else moment_of(ms)

    def header(self, name: str) -> bytes | None:
        """The value of the last header of that name (Kafka's ``lastHeader``), None if there is none."""
        return next((value for key, value in reversed(self.headers) if key == name), None)

    def json(self) -> Any:
        """The value read strictly as JSON, whatever the consumer's deserializer; None for a tombstone."""
        value = self.raw.value()
        return self._decoded(decode_json, value, "value")

    def as_dict(self) -> dict[str, Any]:
        """Coordinates, decoded key and value, headers, timestamp in one dict, as Kaffe's handlers get it."""
        return {
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "key": self.key,
            "value": self.value,
            "headers": self.headers,
            "ts": self.ts,
            "ts_type": self.ts_type,
            "attempt": self.attempt,
        }

    def _decoded(self, decode: Callable[[bytes], Any], data: bytes | None, field: Field) -> Any:
        if data is None:
            return None
        try:
            return decode(data)
        except Exception as error:  # noqa: BLE001 - as above
            raise self._failure(field, error)  # noqa: B904 - as above

    def _failure(self, field: Field, error: Exception) -> Exception:
        """What to raise for what a deserializer raised."""
        failure: Exception = error
        if (away := unavailability_of(error)) is not None:
            failure = SchemaUnavailableError(
                f"the {field} of {self.topic}[{self.partition}]@{self.offset} can't be read now, because its schema "
                f"can't be had: {away}. It waits until the schema registry answers"
            )
        elif self._is_unreadable(error):
            failure = self._undecodable(field, error)
        if failure is not error:
            failure.__cause__ = error
        return failure

    def _is_unreadable(self, error: Exception) -> bool:
        """Whether that is a deserializer's way to say that the bytes aren't what it takes."""
        return isinstance(error, ValueError | TypeError | LookupError)

    def _undecodable(self, field: Field, error: Exception) -> DecodeError:
        reason = f"{description_of(error)} in its deserializer"
        if isinstance(error, UnicodeDecodeError):
            reason = f"byte {error.start} is not valid {error.encoding}"
        return DecodeError(f"the {field} of {self.topic}[{self.partition}]@{self.offset}: {reason}")


def moment_of(ms: int) -> datetime | None:
    """Milliseconds since 1970 (UTC) as an aware datetime; None beyond what a datetime can hold."""
    try:
        return _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return None


def headers_of(raw: RawMessage) -> tuple[Headers, RawMessage]:
    """The headers, and what has to take the place of ``raw`` before anybody asks again: of one with a name that can't
    be read, the client would then answer with a list that crashes whoever reads it."""
    try:
        return _ask_headers(raw) or [], raw
    except (SystemError, UnicodeDecodeError):
        kept = _kept(raw, _legible_headers(raw))
        return kept.headers(), kept


def _kept(raw: RawMessage, headers: Headers) -> KeptRecord:
    message = Message(raw, _AS_BYTES)
    return KeptRecord(
        place=(message.topic, message.partition, message.offset),
        key=message.key_bytes,
        value=message.value_bytes,
        headers=headers,
        ts=message.ts,
        ts_type=message.ts_type,
    )


def _legible_headers(raw: RawMessage) -> Headers:
    """The headers of a message of which the client could not read a name.

    confluent-kafka 2.16 leaves a tuple with a hole (a C NULL) where the name should be; unpacking it crashes the
    process. The garbage collector's view of the tuple leaves holes out.
    """
    try:
        pairs = _ask_headers(raw) or []
    except (SystemError, UnicodeDecodeError):
        return []
    return [pair if len(gc.get_referents(pair)) == 2 else (ILLEGIBLE_NAME, pair[1]) for pair in pairs]

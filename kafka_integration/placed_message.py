"""Messages whose deserializers are told where the bytes are from, and may have to ask a schema registry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .codecs import Field, PlacedCodec, SerializationContext
from .errors import KafkaIntegrationError, SchemaUnavailableError
from .message import Decoding, Message, RawMessage, Unread
from .serialization import Deserializer


@dataclass(frozen=True, slots=True)
class _Failed:
    """In place of what could not be read; raised when somebody asks for it."""

    error: Exception


class PlacedMessage(Message):
    """A ``Message`` that tells its deserializers topic, field and headers."""

    __slots__ = ()

    @property
    def key(self) -> Any:
        """The decoded key; ``DecodeError`` if it can't be read, ``SchemaUnavailableError`` if not now."""
        if self._key is Unread:
            self._key = self._read(self.decoding.key, self.raw.key(), "key")
        return _given(self._key)

    @property
    def value(self) -> Any:
        """The decoded value; ``DecodeError`` if it can't be read, ``SchemaUnavailableError`` if not now."""
        if self._value is Unread:
            self._value = self._read(self.decoding.value, self.raw.value(), "value")
        return _given(self._value)

    def read(self) -> None:
        """Have key and value read, or tried: what comes of that is there for whoever asks."""
        self._key = self._tried(self._key, self.decoding.key, self.raw.key(), "key")
        self._value = self._tried(self._value, self.decoding.value, self.raw.value(), "value")

    def fail(self, error: SchemaUnavailableError) -> None:
        """Leave unread what isn't read yet, for a reason that another message has met."""
        self._key = _Failed(error) if _is_open(self._key) else self._key
        self._value = _Failed(error) if _is_open(self._value) else self._value

    @property
    def unavailability(self) -> SchemaUnavailableError | None:
        """Why it could not be read, where that is nothing of its own."""
        found = (each.error for each in (self._key, self._value) if isinstance(each, _Failed))
        return next((error for error in found if isinstance(error, SchemaUnavailableError)), None)

    def _tried(self, known: Any, decode: Deserializer, data: bytes | None, field: Field) -> Any:
        if not _is_open(known):
            return known
        try:
            return self._read(decode, data, field)
        except Exception as error:  # noqa: BLE001 - a deserializer may raise whatever it likes
            return _Failed(error)

    def _read(self, decode: Deserializer, data: bytes | None, field: Field) -> Any:
        if not isinstance(decode, PlacedCodec):
            return self._decoded(decode, data, field)
        # Read once, as headers are: asked for twice, illegible ones would crash whoever reads them.
        return self._decoded(
            lambda given: decode(given, SerializationContext(self.topic, field, self.headers)), data, field
        )

    def _is_unreadable(self, error: Exception) -> bool:
        # Those of schema registries raise what their formats' libraries raise.
        return not isinstance(error, KafkaIntegrationError | MemoryError | RecursionError)


def message_of(raw: RawMessage, decoding: Decoding, attempt: int = 1) -> Message:
    """The ``Message`` that the client's is to a consumer with these deserializers."""
    return kind_of(decoding)(raw, decoding, attempt)


def kind_of(decoding: Decoding) -> type[Message]:
    """The class of all messages of a consumer with these deserializers."""
    return PlacedMessage if decoding.is_placed else Message


def read_ahead(messages: Iterable[Message]) -> None:
    """Have the keys and values of messages read where that may take long, so that nobody who asks for one waits.

    What fails is raised where it is asked for. Who could not be asked for one schema isn't asked for the others.
    """
    away: SchemaUnavailableError | None = None
    for message in messages:
        if not isinstance(message, PlacedMessage):
            continue
        if away is None:
            message.read()
            away = message.unavailability
        else:
            message.fail(away)


def _is_open(known: Any) -> bool:
    return known is Unread or (isinstance(known, _Failed) and isinstance(known.error, SchemaUnavailableError))


def _given(known: Any) -> Any:
    if isinstance(known, _Failed):
        raise known.error
    return known

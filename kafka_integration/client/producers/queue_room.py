"""Room in a client's queue for large keys and headers: librdkafka counts values alone there, and messages."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, Message

from ...headers import Headers
from ...sizes import held_header_bytes
from .raw import DeliveryCallback

DEFAULT_MAX_KBYTES = 1024 * 1024
"""librdkafka's ``queue.buffering.max.kbytes``."""
SMALL_BYTES = 1024
"""Below this, the bound on the number of messages is one on their keys and headers too."""


def large_bytes(key: bytes | None, headers: Headers | None) -> int:
    """What key and headers of a message take in memory; 0 if that isn't worth counting."""
    size = len(key or b"")
    if headers is not None:
        size += held_header_bytes(headers)
    return size if size >= SMALL_BYTES else 0


class QueueRoom:
    """How much of a queue large keys and headers take; any thread may ask."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._taken_bytes = 0
        # A signal handler may produce in the middle of it.
        self._lock = threading.RLock()

    def produce(
        self, produce: Callable[..., None], size: int, topic: str, *, on_delivery: DeliveryCallback, **message: Any
    ) -> None:
        """Produce, and take room until the delivery; ``BufferError`` if there is none. One alone always has room."""
        with self._lock:
            if self._taken_bytes and self._taken_bytes + size > self._max_bytes:
                raise BufferError("keys and headers fill the queue")
            self._taken_bytes += size
        taken = _Taken(self, size, on_delivery)
        try:
            produce(topic, on_delivery=taken, **message)
        except BaseException:
            self.give_back(taken)
            raise

    def give_back(self, taken: _Taken) -> None:
        """Once, even where whatever wraps the client raises after it has sent the message."""
        with self._lock:
            size, taken.size = taken.size, 0
            self._taken_bytes -= size


class _Taken:
    """The delivery callback of a message that took room, around its own."""

    __slots__ = ("_on_delivery", "_room", "size")

    def __init__(self, room: QueueRoom, size: int, on_delivery: DeliveryCallback) -> None:
        self._room = room
        self.size = size
        self._on_delivery = on_delivery

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        self._room.give_back(self)
        self._on_delivery(error, message)

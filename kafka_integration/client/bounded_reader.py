"""A reader that belongs to no group and knows before where it ends: spans of partitions."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from time import monotonic
from typing import Self

from confluent_kafka import KafkaError, Message

from ..conf.connection import Connection
from .errors.translate import is_retriable, translate
from .reader import leave, open_reader, pages_of

PREFETCH_KBYTES = 8192

Place = tuple[str, int]
Span = tuple[int, int]
"""The first offset to look at, and the first one not to."""


class BoundedReader:
    """Reads spans once, and knows in ``left`` what it has not looked at."""

    def __init__(self, connection: Connection, *, name: str, place: str) -> None:
        properties = {"fetch.wait.max.ms": 10, "queued.max.messages.kbytes": PREFETCH_KBYTES}
        self._consumer = open_reader(connection, name=name, place=place, properties=properties)
        self.left: dict[Place, Span] = {}
        """By partition, the rest of the spans that was not looked at."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def read(self, spans: Mapping[Place, Span], *, seconds: float) -> Generator[list[Message], None, None]:
        """Batches of the messages in the spans, until all is read, the time is over, or it is abandoned.

        Raises ``BrokerError`` where a partition can't be read by this user, or not at all.
        """
        deadline = monotonic() + seconds
        self.left = {place: span for place, span in spans.items() if span[0] < span[1]}
        starts = {place: first for place, (first, _) in self.left.items()}
        for page in pages_of(self._consumer, starts, until=lambda: not self.left, deadline=deadline):
            unread = set(self.left)
            batch = [message for message in page if self._is_wanted(message)]
            leave(self._consumer, unread.difference(self.left))
            if batch:
                yield batch

    def _is_wanted(self, message: Message) -> bool:
        """Whether the message is one of the spans'; notes how far they are read."""
        place, offset = (message.topic() or "", message.partition() or 0), message.offset()
        if (error := message.error()) is not None:
            self._note_error(error, place)
            return False
        if place not in self.left or offset is None:
            return False
        _, end = self.left[place]
        # Offsets have gaps: what comes after the end shows as well that there is nothing more before.
        if offset + 1 >= end:
            del self.left[place]
        else:
            self.left[place] = (offset + 1, end)
        return offset < end

    def _note_error(self, error: KafkaError, place: Place) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self.left.pop(place, None)
        elif not is_retriable(error):
            raise translate(error, place=f"topic {place[0]}")

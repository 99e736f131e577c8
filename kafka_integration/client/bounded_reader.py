"""A reader that belongs to no group and knows before where it ends: spans of a topic's partitions."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from time import monotonic
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from ..conf.connection import Connection
from .errors.translate import is_retriable, translate
from .reader import open_reader

POLL_SECONDS = 0.1
READ_MESSAGES = 500
PREFETCH_KBYTES = 8192

Span = tuple[int, int]
"""The first offset to look at, and the first one not to."""


class BoundedReader:
    """Reads spans of one topic once, and knows in ``left`` what it has not looked at."""

    def __init__(self, connection: Connection, topic: str) -> None:
        self._topic = topic
        properties = {"fetch.wait.max.ms": 50, "queued.max.messages.kbytes": PREFETCH_KBYTES}
        self._consumer = open_reader(connection, name="kafkamessages", place=f"topic {topic}", properties=properties)
        self.left: dict[int, Span] = {}
        """By partition, the rest of the spans that was not looked at."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def read(self, spans: Mapping[int, Span], *, seconds: float) -> Generator[list[Message], None, None]:
        """Batches of the messages in the spans, until all is read, the time is over, or it is abandoned.

        Raises ``BrokerError`` where a partition can't be read by this user, or not at all.
        """
        deadline = monotonic() + seconds
        self.left = {number: span for number, span in spans.items() if span[0] < span[1]}
        self._consumer.assign([TopicPartition(self._topic, number, first) for number, (first, _) in self.left.items()])
        while self.left and monotonic() < deadline:
            first = self._consumer.poll(POLL_SECONDS)
            if first is not None:
                batch = [m for m in (first, *self._consumer.consume(READ_MESSAGES, 0)) if self._is_wanted(m)]
                if batch:
                    yield batch

    def _is_wanted(self, message: Message) -> bool:
        """Whether the message is one of the spans'; notes how far they are read."""
        number, offset = message.partition(), message.offset()
        if (error := message.error()) is not None:
            self._note_error(error, number)
            return False
        if number not in self.left or offset is None:
            return False
        _, end = self.left[number]
        # Offsets have gaps: what comes after the end shows as well that there is nothing more before.
        if offset + 1 >= end:
            self._finish(number)
        else:
            self.left[number] = (offset + 1, end)
        return offset < end

    def _note_error(self, error: KafkaError, number: Any) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            if number in self.left:
                self._finish(number)
        elif not is_retriable(error):
            raise translate(error, place=f"topic {self._topic}")

    def _finish(self, number: int) -> None:
        del self.left[number]
        try:
            self._consumer.pause([TopicPartition(self._topic, number)])
        except KafkaException:
            return  # What still comes of it is not wanted: that costs a moment.

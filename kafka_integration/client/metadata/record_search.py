"""Looking for records in partitions without belonging to a group: within bounds, and saying what was not looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, Generic, Self, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicPartition, murmur2

from ...conf.connection import Connection
from ..errors.translate import is_retriable, translate
from ..reader import open_reader
from .partition_ends import Place

T = TypeVar("T")

READER = "kafkaevents"
POLL_SECONDS = 0.1
PAGE = 500

Span = tuple[int, int]
"""The first offset, and the one after the last."""


@dataclass(frozen=True, kw_only=True)
class Looked(Generic[T]):
    """What was found, and what of each partition there was no time for."""

    found: list[T]
    unseen: dict[Place, Span]


class RecordSearch:
    """Reads what consumers would get; holds nothing of what isn't wanted."""

    def __init__(self, connection: Connection) -> None:
        properties = {"fetch.wait.max.ms": 10}
        self._consumer = open_reader(connection, name=READER, place=READER, properties=properties)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def look(
        self, spans: Mapping[Place, Span], read: Callable[[Any], T | None], *, most: int, seconds: float
    ) -> Looked[T]:
        """What ``read`` makes of the records of these spans, but for None: ``most`` at most, as far as there is time.

        Raises ``BrokerError`` where a partition can't be read, for a reason that doesn't go away by itself.
        """
        left = {place: span for place, span in spans.items() if span[0] < span[1]}
        found: list[T] = []
        self._consumer.assign([TopicPartition(*place, first) for place, (first, _) in left.items()])
        for message in self._messages(lambda: not left or len(found) >= most, monotonic() + seconds):
            place = message.topic(), message.partition()
            if place not in left:
                continue
            if (error := message.error()) is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    self._leave(left, place)
                elif not is_retriable(error):
                    raise translate(error, place=f"topic {place[0]}")
                continue
            offset, end = message.offset(), left[place][1]
            if offset < end and (wanted := read(message)) is not None:
                found.append(wanted)
            left[place] = offset + 1, end
            if offset + 1 >= end:
                self._leave(left, place)
        self._consumer.assign([])
        return Looked(found=found, unseen=left)

    def _leave(self, left: dict[Place, Span], place: Place) -> None:
        del left[place]
        with suppress(KafkaException):
            self._consumer.pause([TopicPartition(*place)])

    def _messages(self, is_over: Callable[[], bool], deadline: float) -> Iterator[Any]:
        while not is_over() and monotonic() < deadline:
            if (first := self._consumer.poll(POLL_SECONDS)) is not None:
                yield first
                yield from self._consumer.consume(PAGE, 0)


def usual_partition(key: bytes, partitions: int) -> int:
    """Where the client puts a key by ``murmur2_random``."""
    return int(murmur2(key, partitions))

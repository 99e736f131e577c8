"""Where a memory consumer stands in each of its partitions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    OFFSET_INVALID,
    KafkaError,
    Message,
    TopicPartition,
)

from .broker import MemoryBroker
from .places import Place, failure

ResetPolicy = Literal["earliest", "latest", "error"]
RESET_POLICIES: dict[str, ResetPolicy] = {
    "earliest": "earliest",
    "smallest": "earliest",
    "beginning": "earliest",
    "latest": "latest",
    "largest": "latest",
    "end": "latest",
    "error": "error",
}


@dataclass(kw_only=True, slots=True)
class _Cursor:
    next_offset: int | None
    """None after an offset that can't be read, under the policy "error"."""
    position: int = OFFSET_INVALID
    paused: bool = False
    end_reported_at: int | None = None


class Positions:
    """The assigned partitions of one consumer, read in turns; the broker's lock guards them."""

    def __init__(self, broker: MemoryBroker, group: str, *, reset_policy: ResetPolicy, report_ends: bool) -> None:
        self._broker = broker
        self._group = group
        self._reset_policy = reset_policy
        self._report_ends = report_ends
        self._cursors: dict[Place, _Cursor] = {}
        self._errors: list[Message] = []

    def places(self) -> list[Place]:
        return sorted(self._cursors)

    def __contains__(self, place: Place) -> bool:
        return place in self._cursors

    def replace(self, partitions: Iterable[TopicPartition]) -> None:
        self._cursors.clear()
        self.add(partitions)

    def add(self, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            place = partition.topic, partition.partition
            self._cursors[place] = _Cursor(next_offset=self._start(place, partition.offset))

    def remove(self, places: Iterable[Place]) -> None:
        for place in places:
            self._cursors.pop(place, None)

    def set_paused(self, places: Iterable[Place], *, paused: bool) -> None:
        # Like librdkafka, silent about a partition that isn't assigned.
        for place in places:
            if place in self._cursors:
                self._cursors[place].paused = paused

    def seek(self, place: Place, offset: int) -> None:
        if place not in self._cursors:
            raise failure(KafkaError._STATE, f"Failed to seek: {place[0]} [{place[1]}] is not assigned")
        cursor = self._cursors[place]
        cursor.next_offset = self._start(place, offset)
        cursor.end_reported_at = None

    def position(self, place: Place) -> int:
        """One after the last message handed out since the assignment."""
        return self._cursors[place].position if place in self._cursors else OFFSET_INVALID

    def next_event(self) -> Message | None:
        """The next message, end of a partition or error; None while there is nothing."""
        if self._errors:
            return self._errors.pop(0)
        for place, cursor in list(self._cursors.items()):
            if not cursor.paused and (event := self._read(place, cursor)) is not None:
                # To the end of the line, so that a busy partition doesn't starve the others.
                self._cursors[place] = self._cursors.pop(place)
                return event
        return self._errors.pop(0) if self._errors else None

    def _read(self, place: Place, cursor: _Cursor) -> Message | None:
        topic = self._broker.topics.get(place[0])
        if cursor.next_offset is None or topic is None or place[1] >= len(topic.partitions):
            return None
        partition = topic.partitions[place[1]]
        if not partition.low_offset <= cursor.next_offset <= partition.end_offset:
            cursor.next_offset = self._reset(place, "Broker: Offset out of range")
            return None if cursor.next_offset is None else self._read(place, cursor)
        record = partition.read(cursor.next_offset)
        if record is None:
            return self._end(place, cursor, cursor.next_offset)
        cursor.next_offset = cursor.position = record.offset + 1
        cursor.end_reported_at = None
        return record.as_message()

    def _end(self, place: Place, cursor: _Cursor, offset: int) -> Message | None:
        if not self._report_ends or cursor.end_reported_at == offset:
            return None
        cursor.end_reported_at = offset
        return _event(place, KafkaError._PARTITION_EOF, f"Reached end of partition at offset {offset}", offset)

    def _start(self, place: Place, offset: int) -> int | None:
        if offset >= 0:
            return offset
        if offset == OFFSET_BEGINNING:
            return self._edge(place, "earliest")
        if offset == OFFSET_END:
            return self._edge(place, "latest")
        committed = self._broker.committed(self._group, *place)
        return self._reset(place, "Local: No offset stored") if committed is None else committed

    def _reset(self, place: Place, reason: str) -> int | None:
        if self._reset_policy == "error":
            self._errors.append(_event(place, KafkaError._AUTO_OFFSET_RESET, f"{reason}: no offset to reset to"))
            return None
        return self._edge(place, self._reset_policy)

    def _edge(self, place: Place, edge: Literal["earliest", "latest"]) -> int:
        topic = self._broker.topics.get(place[0])
        if topic is None or place[1] >= len(topic.partitions):
            return 0
        partition = topic.partitions[place[1]]
        return partition.low_offset if edge == "earliest" else partition.end_offset


def _event(place: Place, code: int, reason: str, offset: int = OFFSET_INVALID) -> Message:
    return Message(topic=place[0], partition=place[1], offset=offset, error=KafkaError(code, reason))

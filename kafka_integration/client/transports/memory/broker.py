"""Topics, committed offsets and groups of the memory transport."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from confluent_kafka import TIMESTAMP_CREATE_TIME, KafkaError, Message, murmur2

from ....conf import get_settings
from .group import MemoryGroup
from .places import failure

PARTITIONS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryRecord:
    """One record; ``timestamp_ms`` is when it was created."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp_ms: int

    def as_message(self) -> Message:
        """The record as confluent-kafka hands it out."""
        return Message(
            topic=self.topic,
            partition=self.partition,
            offset=self.offset,
            key=self.key,
            value=self.value,
            headers=list(self.headers) or None,
            timestamp=(TIMESTAMP_CREATE_TIME, self.timestamp_ms),
        )


class MemoryPartition:
    """Records in the order of their offsets, from ``low_offset`` on."""

    def __init__(self) -> None:
        self.low_offset = 0
        self.records: list[MemoryRecord] = []

    @property
    def end_offset(self) -> int:
        return self.low_offset + len(self.records)

    def read(self, offset: int) -> MemoryRecord | None:
        return self.records[offset - self.low_offset] if self.low_offset <= offset < self.end_offset else None

    def delete_before(self, offset: int) -> None:
        count = min(max(offset - self.low_offset, 0), len(self.records))
        del self.records[:count]
        self.low_offset += count


class MemoryTopic:
    """A topic's partitions; deleted and made again it has another ``topic_id``. Nothing follows its ``config``."""

    def __init__(self, partitions: int) -> None:
        self.topic_id = str(uuid.uuid4())
        self.config: dict[str, str] = {}
        self.partitions = [MemoryPartition() for _ in range(partitions)]


class MemoryBroker:
    """Holds everything until ``reset()``. Safe to use from several threads; ``changed`` wakes those that wait.

    ``partitions_of`` says how many partitions a topic gets that appears on first use.
    """

    def __init__(self, partitions_of: Callable[[str], int] = lambda topic: PARTITIONS) -> None:
        self._partitions_of = partitions_of
        self._watchers: list[Callable[[MemoryRecord], None]] = []
        self.changed = threading.Condition(threading.RLock())
        self.topics: dict[str, MemoryTopic] = {}
        self._committed: dict[tuple[str, str, int], int] = {}
        self._metadata: dict[tuple[str, str, int], str] = {}
        self._groups: dict[str, MemoryGroup] = {}

    def reset(self) -> None:
        """Forgets all topics, offsets and groups; consumers that are open lose their partitions."""
        with self.changed:
            self.topics.clear()
            self._committed.clear()
            self._metadata.clear()
            self._groups.clear()
            self.changed.notify_all()

    @contextmanager
    def watched(self, note: Callable[[MemoryRecord], None]) -> Iterator[None]:
        """Calls ``note`` with each record that is produced while the context lasts; it must not call the broker."""
        with self.changed:
            self._watchers.append(note)
        try:
            yield
        finally:
            with self.changed:
                self._watchers.remove(note)

    def create_topic(self, name: str, partitions: int | None = None) -> MemoryTopic:
        """The topic, made unless it is there; more ``partitions`` than it has are added to it."""
        with self.changed:
            is_new = name not in self.topics
            topic = self.topics.setdefault(name, MemoryTopic(0))
            wanted = self._partitions_of(name) if is_new and partitions is None else partitions or 0
            missing = wanted - len(topic.partitions)
            topic.partitions.extend(MemoryPartition() for _ in range(missing))
            if missing > 0:
                self._rebalance_groups()
            return topic

    def delete_topic(self, name: str) -> None:
        with self.changed:
            self.topics.pop(name, None)
            self._committed = {place: offset for place, offset in self._committed.items() if place[1] != name}
            self._metadata = {place: text for place, text in self._metadata.items() if place[1] != name}
            self._rebalance_groups()

    def delete_records(self, topic: str, partition: int, before_offset: int) -> None:
        """Drops the oldest records, as retention does."""
        with self.changed:
            self.partition(topic, partition).delete_before(before_offset)
            self.changed.notify_all()

    def partition(self, topic: str, partition: int) -> MemoryPartition:
        """The partition; a ``KafkaException`` like the client's where there is none."""
        with self.changed:
            if topic not in self.topics:
                raise failure(KafkaError.UNKNOWN_TOPIC_OR_PART, f"Unknown topic {topic}")
            partitions = self.topics[topic].partitions
            if not 0 <= partition < len(partitions):
                raise failure(KafkaError._UNKNOWN_PARTITION, f"{topic} has no partition {partition}")
            return partitions[partition]

    def records(self, topic: str) -> list[MemoryRecord]:
        """What the topic holds: partition by partition, each in its order; empty where there is no such topic."""
        with self.changed:
            found = self.topics.get(topic)
            return [record for partition in found.partitions for record in partition.records] if found else []

    def produce(
        self,
        topic: str,
        value: bytes | str | None = None,
        key: bytes | str | None = None,
        *,
        headers: Iterable[tuple[str, bytes | str | None]] = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> MemoryRecord:
        """Appends a record, to the partition that murmur2 gives the key unless told otherwise; makes the topic."""
        with self.changed:
            if topic not in self.topics:
                self.create_topic(topic)
            key = _as_bytes(key)
            if partition is None:
                partition = _place(key, len(self.topics[topic].partitions))
            target = self.partition(topic, partition)
            record = MemoryRecord(
                topic=topic,
                partition=partition,
                offset=target.end_offset,
                key=key,
                value=_as_bytes(value),
                headers=tuple((name, _as_bytes(data)) for name, data in headers),
                timestamp_ms=time.time_ns() // 1_000_000 if timestamp_ms is None else timestamp_ms,
            )
            target.records.append(record)
            for note in self._watchers:
                note(record)
            self.changed.notify_all()
            return record

    def committed(self, group: str, topic: str, partition: int) -> int | None:
        """The group's committed offset: the next one it wants."""
        with self.changed:
            return self._committed.get((group, topic, partition))

    def committed_metadata(self, group: str, topic: str, partition: int) -> str:
        """What came with the group's committed offset."""
        with self.changed:
            return self._metadata.get((group, topic, partition), "")

    def commit(self, group: str, topic: str, partition: int, offset: int, metadata: str = "") -> None:
        with self.changed:
            self._committed[group, topic, partition] = offset
            self._metadata[group, topic, partition] = metadata

    def group(self, name: str) -> MemoryGroup:
        with self.changed:
            return self._groups.setdefault(name, MemoryGroup())

    def join(self, group: str, member_id: str, topics: Sequence[str]) -> None:
        with self.changed:
            self.group(group).join(member_id, topics, self._partition_counts())
            self.changed.notify_all()

    def leave(self, group: str, member_id: str) -> None:
        """Takes a member out of its group: because it closes, or as the broker does with one that went silent."""
        with self.changed:
            self.group(group).leave(member_id, self._partition_counts())
            self.changed.notify_all()

    def _rebalance_groups(self) -> None:
        for group in self._groups.values():
            group.topics_changed(self._partition_counts())
        self.changed.notify_all()

    def _partition_counts(self) -> dict[str, int]:
        return {name: len(topic.partitions) for name, topic in self.topics.items()}


@cache
def memory_broker() -> MemoryBroker:
    """The broker of this process, for everything whose endpoints are ``"memory"``."""
    return MemoryBroker(_configured_partitions)


def _configured_partitions(topic: str) -> int:
    configured = get_settings().topics.get(topic)
    return configured.partitions if configured and configured.partitions else PARTITIONS


def _place(key: bytes | None, partitions: int) -> int:
    return random.randrange(partitions) if key is None else murmur2(key, partitions)


def _as_bytes(data: bytes | str | None) -> bytes | None:
    return data.encode() if isinstance(data, str) else data

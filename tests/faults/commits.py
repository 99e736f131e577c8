"""Oracle C: a committed offset is never above the lowest record that has no effect and is no dead letter."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

import psycopg
from confluent_kafka import Consumer, KafkaException, TopicPartition

from kafka_integration.client.committed import OFFSETS_IN_KAFKA
from kafka_integration.consuming.offsets.beyond import decode
from tests.faults.effects import Effects
from tests.faults.groups import COORDINATOR_STARTS
from tests.faults.watching import elapse


class CommittedOffsets:
    """The group's offsets as Kafka holds them, read by a client that is no member."""

    def __init__(self, bootstrap: str, group: str, topic: str) -> None:
        self._topic = topic
        self._client = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "log_level": 0})

    def read(self, timeout: float = 10.0) -> dict[int, int]:
        """By partition; without those that have none."""
        return {answer.partition: answer.offset for answer in self._answers(timeout)}

    def finished_beyond(self, timeout: float = 10.0) -> dict[int, set[int]]:
        """What the commits say to be finished beyond their offsets, by partition."""
        word = f"{OFFSETS_IN_KAFKA}; "
        return {
            answer.partition: {*decode((answer.metadata or "").removeprefix(word), answer.offset).offsets}
            for answer in self._answers(timeout)
        }

    def _answers(self, timeout: float) -> list[TopicPartition]:
        partitions = [TopicPartition(self._topic, number) for number in self.partitions(timeout)]
        deadline = monotonic() + timeout
        while True:
            try:
                answers = self._client.committed(partitions, timeout=timeout)
            except KafkaException as error:
                if error.args[0].code() not in COORDINATOR_STARTS or monotonic() > deadline:
                    raise
                elapse(0.1)
                continue
            return [answer for answer in answers if answer.offset >= 0 and not answer.error]

    def partitions(self, timeout: float = 10.0) -> list[int]:
        """The partitions that the topic has."""
        return list(self._client.list_topics(self._topic, timeout=timeout).topics[self._topic].partitions)

    def close(self) -> None:
        self._client.close()


class CommitWatch:
    """Samples committed offsets until it is stopped; ``too_high`` names each that ran ahead of its effects."""

    def __init__(self, committed: CommittedOffsets, effects: Effects, records: Callable[[], set[tuple[int, int]]]):
        self.samples = 0
        self.too_high: list[str] = []
        self._committed = committed
        self._effects = effects
        self._records = records
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="commit-watch")

    def __enter__(self) -> CommitWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.3):
            try:
                self._sample()
            except (KafkaException, psycopg.OperationalError):
                continue  # the fault of the scenario: there is nothing to see meanwhile

    def _sample(self) -> None:
        records = self._records()
        # In this order: an effect or a dead letter only ever comes before the commit that covers it.
        committed = self._committed.read(timeout=2)
        handled, parked = self._effects.offsets(), self._effects.dead_letter_offsets()
        for partition, offset in records:
            bound = committed.get(partition, 0)
            if offset < bound and offset not in handled.get(partition, ()) and offset not in parked.get(partition, ()):
                self.too_high.append(f"[{partition}] is committed to {bound}, {offset} has no effect")
        self.samples += 1

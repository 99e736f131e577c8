"""A broker that keeps less with a commit than is finished beyond it: the offset is committed all the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition

from kafka_integration.client.committed import OFFSETS_IN_KAFKA
from kafka_integration.client.transports.memory import MemoryConsumer, memory_broker
from kafka_integration.client.transports.memory.places import failure
from kafka_integration.consuming.offsets.beyond import decode
from tests.unit import scripted
from tests.unit.consumers import TOPIC, committed, running, write
from tests.unit.gates import Gate
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("memory_transport")


Refused = list[tuple[int, str]]
"""Offset and metadata of the commits that were refused."""


def keep_at_most(most: int, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Have the broker keep so many characters with a commit, as its ``offset.metadata.max.bytes`` does."""
    refused: Refused = []
    commit = MemoryConsumer.commit

    def commit_what_is_small(consumer: Any, *, offsets: Iterable[TopicPartition], asynchronous: bool) -> Any:
        parts = list(offsets)
        large = [(part.offset, part.metadata or "") for part in parts if len(part.metadata or "") > most]
        if not large:
            return commit(consumer, offsets=parts, asynchronous=asynchronous)
        refused.extend(large)
        if not asynchronous:
            raise failure(KafkaError.OFFSET_METADATA_TOO_LARGE, "Broker: Offset metadata string too large")
        consumer._on_commit(KafkaError(KafkaError.OFFSET_METADATA_TOO_LARGE), parts)
        return None

    monkeypatch.setattr(MemoryConsumer, "commit", commit_what_is_small)
    return refused


def write_a_slow_one_and_others(partition: int = 0) -> None:
    """Of the others every second one waits for the slow one, so that each has to be noted by itself."""
    write("first", "slow", key="a", partition=partition)
    for number in range(600):
        write(f"{number}", key=f"k{number}" if number % 2 else "a", partition=partition)


def noted(partition: int = 0) -> tuple[int, ...]:
    metadata = memory_broker().committed_metadata("group", TOPIC, partition)
    return decode(metadata.removeprefix(f"{OFFSETS_IN_KAFKA}; "), committed(partition) or 0).offsets


def test_the_offset_is_committed_at_once_and_then_as_much_of_the_note_as_there_is_room_for(monkeypatch, caplog):
    refused = keep_at_most(len(OFFSETS_IN_KAFKA) + 62, monkeypatch)
    gate = Gate("slow")
    scripted.script.append(gate)
    write_a_slow_one_and_others()

    with running(ordering="key", concurrency=2, offset_commit_interval_seconds=3600) as loop:
        wait_for(lambda: len(scripted.seen) == 302)
        loop.session.commits.hasten()
        wait_for(lambda: committed() == 1)
        loop.session.commits.hasten()
        wait_for(lambda: len(noted()) > 50)
        gate.open()
        wait_for(lambda: len(scripted.seen) == 602)

    assert committed() == 602
    assert len(refused) == len(set(refused)) < 5
    assert "of what is finished beyond" in caplog.text
    assert "a commit failed" not in caplog.text


def test_nothing_is_noted_where_the_broker_keeps_nothing(monkeypatch, caplog):
    refused = keep_at_most(len(OFFSETS_IN_KAFKA), monkeypatch)
    gate = Gate("slow")
    scripted.script.append(gate)
    write_a_slow_one_and_others()

    with running(ordering="key", concurrency=2, offset_commit_interval_seconds=0.01):
        wait_for(lambda: len(scripted.seen) == 302)
        wait_for(lambda: committed() == 1)
        gate.open()
        wait_for(lambda: committed() == 602)

    assert len(refused) < 12
    assert noted() == ()


def test_who_lets_a_partition_go_commits_its_offset_and_as_much_of_the_note_as_there_is_room_for(monkeypatch):
    gate = Gate("slow")
    scripted.script.append(gate)
    options = {"ordering": "key", "concurrency": 4, "offset_commit_interval_seconds": 3600}
    for partition in range(2):
        write_a_slow_one_and_others(partition)

    with running(**options, rebalance_drain_seconds=0.1):
        wait_for(lambda: len(scripted.seen) == 604)
        keep_at_most(len(OFFSETS_IN_KAFKA) + 62, monkeypatch)
        with running(**options):
            wait_for(lambda: (committed(0), committed(1)) == (1, 1))
            wait_for(lambda: min(len(noted(0)), len(noted(1))) > 50)
            gate.open()

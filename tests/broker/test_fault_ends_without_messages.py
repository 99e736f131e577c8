"""A partition ends behind its last message: with control records, aborted transactions, or after retention.

Whoever has read all of it has no lag, whatever stores the offsets, and begins at the end again when it comes back.
"""

from __future__ import annotations

import json
import uuid

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.waiting import wait_for

pytestmark = pytest.mark.faults

STORAGES = pytest.mark.parametrize("offset_storage", ["kafka", "database"])


@STORAGES
def test_who_has_read_everything_has_no_lag_and_begins_at_the_end_again(new_scenario, offset_storage):
    scenario = new_scenario(partitions=4)
    scenario.consumer |= {"offset_storage": offset_storage, "offset_reset_policy": "none"}
    scenario.load.sent(10, partition=0)
    aborted(scenario, 5, partition=0)
    aborted(scenario, 5, partition=1)
    scenario.load.sent(10, partition=2)
    scenario.load.sent(10, partition=3)
    delete_records(scenario, {3: 10})
    scenario.load.acknowledged[:] = [each for each in scenario.load.acknowledged if each.partition != 3]

    first = scenario.worker()
    wait_for(lambda: scenario.committed.read() == ends_of(scenario), 40, first.tail)
    assert lag_of(scenario) == 0
    assert first.terminate() == 0
    delete_records(scenario, ends_of(scenario))
    second = scenario.worker()
    second.wait_for_output("caught up", 40)
    scenario.load.sent(3, partition=0)

    scenario.wait_handled()
    scenario.assert_nothing_twice()
    assert second.terminate() == 0
    assert lag_of(scenario) == 0
    assert "WARNING" not in first.output() + second.output()


@STORAGES
def test_what_no_consumer_gets_is_no_lag_of_a_group_that_stands_still(new_scenario, offset_storage):
    scenario = new_scenario(partitions=2)
    scenario.consumer |= {"offset_storage": offset_storage}
    scenario.load.sent(10, partition=0)
    assert scenario.worker("--until-caught-up").wait(40) == 0

    aborted(scenario, 300, partition=0)
    aborted(scenario, 5, partition=1)
    after_aborted = lag_of(scenario)
    scenario.load.sent(3, partition=0)
    aborted(scenario, 300, partition=0)

    assert (after_aborted, lag_of(scenario)) == (0, 3)


@STORAGES
def test_a_consumer_that_is_stopped_at_once_has_stored_the_end(new_scenario, offset_storage):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"offset_storage": offset_storage, "offset_commit_interval_seconds": 600}
    scenario.load.sent(10)
    aborted(scenario, 5)

    assert scenario.worker("--until-caught-up").wait(40) == 0

    assert lag_of(scenario) == 0
    assert scenario.committed.read() == ends_of(scenario)


def test_a_partition_that_is_handed_over_has_its_end_stored(new_scenario):
    scenario = new_scenario(partitions=2)
    scenario.consumer |= {"offset_storage": "database", "offset_commit_interval_seconds": 600}
    for partition in (0, 1):
        scenario.load.sent(10, partition=partition)
        aborted(scenario, 5, partition=partition)
    first = scenario.worker()
    first.wait_for_output("caught up", 40)
    assert rows_of(scenario) == {0: 10, 1: 10}

    second = scenario.worker()
    second.wait_for_output(r"assigned \S+\[\d\]", 40)

    wait_for(lambda: rows_of(scenario) == ends_of(scenario), 20, first.tail)


def test_an_end_is_stored_once_and_not_at_each_turn(new_scenario):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"offset_storage": "database", "offset_commit_interval_seconds": 0.1}
    scenario.load.sent(10)
    aborted(scenario, 5)
    worker = scenario.worker()
    wait_for(lambda: rows_of(scenario) == ends_of(scenario), 40, worker.tail)
    written_at = updated_at(scenario)

    # Turn after turn without a message; then it goes on.
    worker.wait_for_output("caught up", 20)
    scenario.committed.read()
    wait_for(lambda: scenario.committed.read() == ends_of(scenario), 20, worker.tail)

    assert updated_at(scenario) == written_at


@STORAGES
def test_a_compacted_topic_that_was_read_to_its_end_has_no_lag(new_scenario, offset_storage):
    compaction = {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.01",
        "segment.ms": "100",
        "delete.retention.ms": "0",
    }
    scenario = new_scenario(partitions=1, config=compaction)
    scenario.consumer |= {"offset_storage": offset_storage}
    for _ in range(5):
        scenario.load.sent(50, key="the only one")
    aborted(scenario, 5)
    wait_for(lambda: visible(scenario) < 100, 90, "most of it is compacted", interval=1)

    worker = scenario.worker()

    wait_for(lambda: scenario.committed.read() == ends_of(scenario), 40, worker.tail)
    assert lag_of(scenario) == 0


def aborted(scenario, count: int, partition: int = 0) -> None:
    producer = Producer({"bootstrap.servers": scenario.bootstrap, "transactional.id": uuid.uuid4().hex, "log_level": 0})
    producer.init_transactions(30)
    producer.begin_transaction()
    for _ in range(count):
        producer.produce(scenario.topic, b"never", partition=partition)
    producer.flush(30)
    producer.abort_transaction(30)


def delete_records(scenario, before: dict[int, int]) -> None:
    admin = AdminClient({"bootstrap.servers": scenario.bootstrap})
    places = [TopicPartition(scenario.topic, partition, offset) for partition, offset in before.items()]
    for future in admin.delete_records(places).values():
        future.result(20)


def ends_of(scenario) -> dict[int, int]:
    client = Consumer({"bootstrap.servers": scenario.bootstrap, "group.id": "nobody", "log_level": 0})
    try:
        places = {number: TopicPartition(scenario.topic, number) for number in scenario.committed.partitions()}
        return {number: client.get_watermark_offsets(place, timeout=10)[1] for number, place in places.items()}
    finally:
        client.close()


def visible(scenario) -> int:
    """How many records a reader gets."""
    client = Consumer(
        {"bootstrap.servers": scenario.bootstrap, "group.id": "nobody", "enable.partition.eof": True, "log_level": 0}
    )
    try:
        client.assign([TopicPartition(scenario.topic, 0, 0)])
        count = 0
        while (record := client.poll(10)) is not None and record.error() is None:
            count += 1
        return count
    finally:
        client.close()


def lag_of(scenario) -> int:
    command = scenario.command(
        "kafkagroups", "lag", scenario.group, "--json", consumers={"workload": scenario.consumer}
    )
    assert command.wait(40) == 0, command.tail()
    return json.loads(command.output())["total"]


def rows_of(scenario) -> dict[int, int]:
    with psycopg.connect(scenario.database_url) as connection:
        rows = connection.execute("SELECT partition, next_offset FROM kafka_integration_storedoffset").fetchall()
    return dict(rows)


def updated_at(scenario) -> list:
    with psycopg.connect(scenario.database_url) as connection:
        return connection.execute("SELECT updated_at FROM kafka_integration_storedoffset").fetchall()

"""Records are deleted past the group's offset in one of its partitions, or past what was fetched already.

Under each protocol that partition goes on at its first record, the other one where it was, and what had been fetched
before is still handled.
"""

from __future__ import annotations

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from tests.faults.scenario import PROTOCOLS, consumer_of
from tests.waiting import wait_for


@pytest.mark.parametrize("offset_storage", ["kafka", pytest.param("database", marks=pytest.mark.faults)])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_records_deleted_past_the_committed_offset_are_left_out_and_counted(new_scenario, protocol, offset_storage):
    scenario = new_scenario(partitions=2)
    scenario.consumer |= {**consumer_of(protocol), "offset_storage": offset_storage}
    handled_before_a_break(scenario)
    scenario.load.sent(30, partition=0)
    delete_records(scenario, {0: 25})
    scenario.load.sent(10, partition=1)

    worker = scenario.worker()

    wait_for(lambda: offsets_of(scenario, 0) == {*range(10), *range(25, 40)}, 40, worker.tail)
    assert offsets_of(scenario, 1) == set(range(20))
    assert "offset 10 of" in worker.output()
    assert "15 message(s) are left out" in worker.output()
    scenario.assert_nothing_twice()
    scenario.wait_committed()


def test_records_deleted_while_the_handler_is_behind_leave_out_nothing_that_was_fetched(new_scenario):
    scenario = new_scenario(partitions=1)
    worker = scenario.worker()
    worker.wait_for_output("assigned", 40)
    scenario.load.sent(1, seconds=4)
    scenario.load.sent(200)
    worker.wait_for_output("begins")

    delete_records(scenario, {0: 150})
    scenario.load.sent(20)

    scenario.wait_handled()
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()


def handled_before_a_break(scenario) -> None:
    for partition in scenario.committed.partitions():
        scenario.load.sent(10, partition=partition)
    first = scenario.worker()
    scenario.wait_committed(40)
    assert first.terminate() == 0


def delete_records(scenario, before: dict[int, int]) -> None:
    admin = AdminClient({"bootstrap.servers": scenario.bootstrap})
    places = [TopicPartition(scenario.topic, partition, offset) for partition, offset in before.items()]
    for future in admin.delete_records(places).values():
        future.result(20)


def offsets_of(scenario, partition: int) -> set[int]:
    return scenario.effects.offsets().get(partition, set())

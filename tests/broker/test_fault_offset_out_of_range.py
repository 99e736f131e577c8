"""The committed offset is no longer in the topic: its records were deleted, or the topic ends before it.

``offset_reset_policy`` decides where to go on; what is left out is counted in the log. With "none" the process stops
with an error. The consumer never jumps to the end on its own account, and partitions beside the one in question go on.
"""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.faults.scenario import PROTOCOLS, consumer_of
from tests.waiting import wait_for


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
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


def test_with_latest_it_goes_on_at_the_end(new_scenario):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"offset_reset_policy": "latest"}
    handled_before_a_break(scenario)
    scenario.load.sent(30)
    delete_records(scenario, {0: 25})
    worker = scenario.worker()
    worker.wait_for_output("by offset_reset_policy it goes on at 40, 30 message", 40)
    wait_for(lambda: scenario.committed.read() == {0: 40}, 20)

    scenario.load.sent(5)

    wait_for(lambda: offsets_of(scenario, 0) == {*range(10), *range(40, 45)}, 20, worker.tail)


@pytest.mark.parametrize("policy", ["earliest", "none"])
def test_an_offset_beyond_the_end_is_no_jump_to_the_end_either(new_scenario, policy):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"offset_reset_policy": policy}
    scenario.load.sent(10)
    set_committed(scenario, {0: 1000})

    worker = scenario.worker()

    if policy == "none":
        assert worker.wait(40) == 1
        assert 'out of range (0 to 10) and offset_reset_policy is "none"' in worker.output()
        assert scenario.committed.read() == {0: 1000}
    else:
        scenario.wait_handled(40)
        assert "is out of range (0 to 10)" in worker.output()
        scenario.assert_nothing_lost()


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


def set_committed(scenario, offsets: dict[int, int]) -> None:
    client = Consumer({"bootstrap.servers": scenario.bootstrap, "group.id": scenario.group, "log_level": 0})
    client.commit(offsets=[TopicPartition(scenario.topic, *place) for place in offsets.items()], asynchronous=False)
    client.close()


def offsets_of(scenario, partition: int) -> set[int]:
    return scenario.effects.offsets().get(partition, set())

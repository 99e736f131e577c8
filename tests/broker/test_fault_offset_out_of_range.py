"""The committed offset is no longer in the topic: its records were deleted, or the topic ends before it.

``offset_reset_policy`` decides where to go on; what is left out is counted in the log. With "none" the process stops
with an error. The consumer never jumps to the end on its own account, and partitions beside the one in question go on.
"""

from __future__ import annotations

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.faults.scenario import PROTOCOLS, consumer_of
from tests.faults.watching import elapse
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
    wait_for(lambda: offsets_of(scenario, 1) == set(range(20)), 40, worker.tail)
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


@pytest.mark.faults
@pytest.mark.parametrize("policy", ["earliest", "latest", "none"])
def test_an_offset_stored_in_the_database_may_lie_beyond_the_end_too(new_scenario, policy):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"offset_storage": "database", "offset_reset_policy": policy}
    handled_before_a_break(scenario)
    with psycopg.connect(scenario.database_url) as connection:
        connection.execute("UPDATE kafka_integration_storedoffset SET next_offset = 1000")

    worker = scenario.worker()

    if policy == "none":
        assert worker.wait(40) == 1
        assert "offset 1000 of" in worker.output()
        assert 'out of range (0 to 10) and offset_reset_policy is "none"' in worker.output()
        return
    goes_on_at = 0 if policy == "earliest" else 10
    worker.wait_for_output(rf"is out of range \(0 to 10\).* it goes on at {goes_on_at}", 40)
    scenario.load.sent(5)
    # Nobody can tell which of the ten were handled: under "earliest" all of them are again.
    scenario.wait_handled()
    assert [effect.offset for effect in scenario.effects.read()] == [*range(10), *range(goes_on_at, 15)]
    scenario.wait_committed()


@pytest.mark.faults
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_with_none_deleted_records_stop_the_consumer(new_scenario, offset_storage):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"offset_storage": offset_storage, "offset_reset_policy": "none"}
    handled_before_a_break(scenario)
    scenario.load.sent(10)
    delete_records(scenario, {0: 15})

    worker = scenario.worker()

    assert worker.wait(40) == 1
    assert f"offset 10 of {scenario.topic}[0] is out of range (15 to 20)" in worker.output()
    assert "set the group's offset" in worker.output()
    assert offsets_of(scenario, 0) == set(range(10))
    assert scenario.committed.read() == {0: 10}


@pytest.mark.parametrize("offset_storage", ["kafka", pytest.param("database", marks=pytest.mark.faults)])
def test_records_deleted_in_front_of_a_frozen_worker_are_counted_when_it_thaws(new_scenario, offset_storage):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"offset_storage": offset_storage}
    worker = scenario.ready_worker()
    scenario.load.sent(10)
    scenario.wait_handled()
    # Should the freeze outlast the session, the next assignment begins where this one had committed.
    wait_for(lambda: scenario.committed.read() == {0: 10}, message="the first ten are committed")

    worker.freeze()
    # The fetch under way comes back without records; until it thaws there is no other.
    elapse(1)
    scenario.load.sent(10)
    delete_records(scenario, {0: 15})
    worker.thaw()
    worker.wait_for_output(r"out of range \(15 to 20\).* goes on at 15, 5 message", 40)
    scenario.load.sent(5)

    scenario.wait_handled(count=20)
    assert [effect.offset for effect in scenario.effects.read()] == [*range(10), *range(15, 25)]


@pytest.mark.faults
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_a_run_until_caught_up_ends_where_all_was_deleted(new_scenario, offset_storage):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"offset_storage": offset_storage}
    handled_before_a_break(scenario)
    scenario.load.sent(10)
    delete_records(scenario, {0: 20})

    worker = scenario.worker("--until-caught-up")

    assert worker.wait(40) == 0
    assert "goes on at 20, 10 message(s) are left out" in worker.output()
    assert offsets_of(scenario, 0) == set(range(10))
    assert scenario.committed.read() == {0: 20}


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

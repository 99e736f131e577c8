"""`--until-caught-up` goes by what the whole group has committed, whoever owns the partitions.

The end that counts is the one noted at the start. A run that leaves lag says so, and doesn't exit with 0.
"""

from __future__ import annotations

import pytest

from kafka_integration.consuming.group.membership import LEFT_OUT_SECONDS
from tests.faults.scenario import PROTOCOLS, consumer_of
from tests.waiting import wait_for

NOT_CAUGHT_UP = 4


def assert_all_is_committed(scenario):
    scenario.assert_nothing_lost()
    ends = {}
    for partition, offset in scenario._places():
        ends[partition] = max(offset + 1, ends.get(partition, 0))
    committed = scenario.committed.read()
    assert {number: committed.get(number) for number in ends} == ends


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("offset_storage", ["kafka", pytest.param("database", marks=pytest.mark.faults)])
def test_two_runs_side_by_side_end_when_all_is_committed(new_scenario, protocol, offset_storage):
    scenario = new_scenario()
    scenario.consumer |= {**consumer_of(protocol), "offset_storage": offset_storage}
    scenario.load.sent(240, seconds=0.02)

    runs = [scenario.worker("--until-caught-up"), scenario.worker("--until-caught-up")]

    assert [run.wait(60) for run in runs] == [0, 0], runs[0].tail() + runs[1].tail()
    assert_all_is_committed(scenario)
    scenario.assert_nothing_twice()


@pytest.mark.parametrize("protocol", [pytest.param("range", marks=pytest.mark.faults), *PROTOCOLS[1:]])
def test_several_processes_end_when_all_is_committed(new_scenario, protocol):
    scenario = new_scenario()
    scenario.consumer |= consumer_of(protocol)
    scenario.load.sent(240, seconds=0.02)

    run = scenario.worker("--until-caught-up", "--processes", "3")

    assert run.wait(60) == 0, run.tail()
    assert_all_is_committed(scenario)
    scenario.assert_nothing_twice()


@pytest.mark.faults
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_processes_without_a_partition_of_their_own_wait_for_the_others(new_scenario, protocol):
    scenario = new_scenario(partitions=2)
    scenario.consumer |= {**consumer_of(protocol), "topics": [f"^{scenario.topic}.*"]}
    scenario.load.sent(40, seconds=0.2)

    run = scenario.worker("--until-caught-up", "--processes", "5")

    assert run.wait(90) == 0, run.tail()
    assert_all_is_committed(scenario)
    scenario.assert_nothing_twice()


@pytest.mark.faults
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_beside_a_running_member_it_ends_after_it_and_leaves_it_all_partitions(new_scenario, protocol):
    scenario = new_scenario()
    # As long as a member is missed by default, one that left without a word would leave its partitions alone.
    scenario.consumer |= {**consumer_of(protocol), "rebalance_drain_seconds": 20}
    if protocol != "consumer":
        scenario.consumer["config"] |= {"session.timeout.ms": 45_000}
    owner = scenario.ready_worker()
    # Longer than a member of the new protocol takes no news for having nothing.
    scenario.load.sent(4, seconds=LEFT_OUT_SECONDS + 2 if protocol == "consumer" else 4)
    scenario.load.sent(80, seconds=0.02)
    owner.wait_for_output("begins")

    run = scenario.worker("--until-caught-up")

    assert run.wait(100) == 0, run.tail()
    assert_all_is_committed(scenario)
    scenario.load.sent(40)
    scenario.wait_handled(20)
    scenario.assert_nothing_twice()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_that_is_stopped_before_says_what_is_left_and_does_not_exit_with_0(new_scenario, protocol):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= consumer_of(protocol)
    scenario.load.sent(1, seconds=2)
    scenario.load.sent(9)
    run = scenario.worker("--until-caught-up")
    run.wait_for_output("begins", 40)

    status = run.terminate()

    assert status == NOT_CAUGHT_UP
    assert f"has not caught up, it leaves {scenario.topic}[0] 9" in run.output()


def test_several_processes_that_are_stopped_before_do_not_exit_with_0(new_scenario):
    scenario = new_scenario()
    scenario.load.sent(40, seconds=2)
    run = scenario.worker("--until-caught-up", "--processes", "2")
    run.wait_for_output("begins", 40)

    assert run.terminate() == NOT_CAUGHT_UP
    wait_for(lambda: "it leaves" in run.output(), 5)


@pytest.mark.parametrize("storage", ["kafka", "database"])
def test_an_end_of_holes_is_reached(new_scenario, storage):
    """Control records, and what compaction or a transaction that was given up leaves behind, are no lag."""
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"offset_storage": storage}
    scenario.load.sent(5)
    abort_a_transaction(scenario)

    run = scenario.worker("--until-caught-up")

    assert run.wait(40) == 0, run.tail()


def abort_a_transaction(scenario):
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": scenario.bootstrap, "transactional.id": scenario.group})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(scenario.topic, b"{}", partition=0)
    producer.flush(10)
    producer.abort_transaction(20)

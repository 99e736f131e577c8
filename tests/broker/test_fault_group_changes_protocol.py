"""In a rolling change some members of a group ask for another assignor, or another protocol, than the rest.

Where the two can share a group (two eager assignors while all know both; "range" and KIP-848) records flow on, there
and back: nothing is lost, and with "database" each record has its effect once. Where they can't, the members that work
go on, and the others say so and end.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.scenario import SESSION, consumer_of

pytestmark = pytest.mark.faults


def assigned_by(strategy: str) -> dict[str, Any]:
    return {"config": {**SESSION, "partition.assignment.strategy": strategy}}


RANGE, ROUNDROBIN, STICKY = (assigned_by(each) for each in ("range", "roundrobin", "cooperative-sticky"))
CONSUMER = consumer_of("consumer")
ROLLS = {
    "range to roundrobin, by both": [RANGE, assigned_by("roundrobin,range"), ROUNDROBIN],
    "range to consumer": [RANGE, CONSUMER],
    "consumer to range": [CONSUMER, RANGE],
    "consumer to cooperative-sticky": [CONSUMER, STICKY],
}
REFUSALS = {
    "roundrobin among range": [RANGE, ROUNDROBIN],
    "cooperative-sticky among range": [RANGE, STICKY],
    # Its members tell each other what the broker, which would have to take that over, can't read.
    "consumer among cooperative-sticky": [STICKY, CONSUMER],
}
IMPATIENT = {"subscriber_retries": 1, "subscriber_retry_delay_ms": 500}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
@pytest.mark.parametrize("roll", ROLLS)
def test_members_that_can_share_a_group_lose_nothing(scenario, roll, offset_storage):
    scenario.consumer |= {"offset_storage": offset_storage}
    first, *steps = ROLLS[roll]
    workers = [scenario.ready_worker(**first), scenario.worker(**first)]
    left = []
    with scenario.watch_commits() as commits:
        with scenario.load.flowing(60):
            scenario.wait_handled(count=60)
            for step in steps:
                for index in range(len(workers)):
                    # The newcomer first, so that the group is a mixed one for a while.
                    old, workers[index] = workers[index], scenario.ready_worker(**step)
                    scenario.wait_handled(count=scenario.effects.count() + 30)
                    assert old.terminate() == 0, old.tail()
                    left.append(old)
        scenario.wait_handled()

    assert [worker.terminate() for worker in workers] == [0, 0]
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    assert commits.samples
    assert not commits.too_high
    # A group that becomes a classic one again may take partitions away unasked: then a last commit is impossible.
    if offset_storage == "database" or not any("without notice" in each.output() for each in (*left, *workers)):
        scenario.assert_nothing_twice()
        scenario.assert_no_key_in_two_places()


@pytest.mark.parametrize(
    "refusal",
    REFUSALS,
)
def test_members_that_cannot_leave_the_others_at_work(scenario, refusal):
    scenario.consumer |= IMPATIENT
    usual, strange = REFUSALS[refusal]
    # In the first generation of a group its members have nothing yet to tell each other: the broker could take it over.
    workers = [scenario.ready_worker(**usual), scenario.ready_worker(**usual)]
    scenario.load.sent(20)
    scenario.wait_handled()

    strangers = [scenario.worker(**strange), scenario.worker(**strange)]
    scenario.load.sent(20)

    assert_refused(*strangers)
    scenario.wait_handled()
    assert [worker.terminate() for worker in workers] == [0, 0]
    scenario.assert_nothing_twice()


@pytest.mark.parametrize("way", [[RANGE, CONSUMER], [CONSUMER, RANGE]], ids=["to consumer", "to range"])
def test_a_broker_may_forbid_the_change_of_protocol(start_kafka, scenario_on, way):
    scenario = scenario_on(start_kafka(properties={"group.consumer.migration.policy": "disabled"}))
    scenario.consumer |= IMPATIENT
    usual, strange = way
    worker = scenario.ready_worker(**usual)

    stranger = scenario.worker(**strange)
    scenario.load.sent(20)

    assert_refused(stranger)
    scenario.wait_handled()
    assert worker.terminate() == 0


def assert_refused(*strangers) -> None:
    assert [stranger.wait(40) for stranger in strangers] == [1] * len(strangers)
    for stranger in strangers:
        assert "another protocol or assignor" in stranger.output()
        assert "one group_protocol for all members" in stranger.output()

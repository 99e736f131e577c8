"""An unclean leader election: a replica that was behind leads, and offsets go back under the consumer.

What only the former leader had is gone from Kafka, though it was acknowledged and handled, and other records come at
its offsets. A consumer that keeps its partition meanwhile says where the log was cut; every record behind the cut is
handled, once, and none before it again; whether the new records have passed its position by then or not.
"""

from __future__ import annotations

import pytest

from tests.faults.load import Load
from tests.waiting import wait_for

KEPT, LOST = 20, 15


@pytest.fixture
def cut_scenario(start_kafka, scenario_on):
    """Two replicas, of which the one that is behind may lead; a third broker keeps the controllers' majority."""
    cluster = start_kafka(brokers=3, properties={"min.insync.replicas": 1})
    unclean = {"unclean.leader.election.enable": "true", "min.insync.replicas": "1"}
    scenario = scenario_on(cluster, 1, replica_assignment=[[1, 2]], config=unclean)
    # As it comes out of the box: its session outlives the brokers' restarts.
    scenario.consumer["config"] = {}
    return cluster, scenario


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("written_since", [5, 40])
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_what_is_behind_the_cut_is_handled_once(cut_scenario, offset_storage, written_since):
    cluster, scenario = cut_scenario
    scenario.consumer |= {"offset_storage": offset_storage}
    worker = scenario.ready_worker()

    later = cut(cluster, scenario, written_since)

    expected = [*range(KEPT + LOST), *range(KEPT, KEPT + written_since)]
    assert sorted(record.offset for record in later.acknowledged) == expected[KEPT + LOST :]
    wait_for(lambda: len(scenario.effects.read()) >= len(expected), 90, worker.tail)
    assert f"{scenario.topic}[0] was cut at {KEPT}, before offset {KEPT + LOST}, by an unclean" in worker.output()
    assert f"it goes on at {KEPT}, 0 message(s) are left out" in worker.output()
    wait_for(lambda: scenario.committed.read() == {0: KEPT + written_since}, 30, worker.tail)
    assert worker.terminate() == 0
    assert [effect.offset for effect in scenario.effects.read()] == expected


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_with_none_the_consumer_stops_at_the_cut(cut_scenario):
    cluster, scenario = cut_scenario
    scenario.consumer |= {"offset_reset_policy": "none"}
    worker = scenario.ready_worker()

    cut(cluster, scenario, written_since=40)

    assert worker.wait(90) == 1
    assert f"was cut at {KEPT}, before offset {KEPT + LOST}" in worker.output()
    assert 'offset_reset_policy is "none"' in worker.output()
    assert len(scenario.effects.read()) == KEPT + LOST


def cut(cluster, scenario, written_since: int) -> Load:
    """Have records handled that the next leader doesn't have, and so many others written by that one."""
    scenario.load.sent(KEPT)
    scenario.wait_committed()
    cluster.kill(1)
    scenario.load.sent(LOST)
    scenario.wait_committed()
    cluster.kill(0)
    cluster.restart(1, wait=False)
    # A producer that counts its records would find that some are missing, and give up.
    later = Load(cluster.bootstrap, scenario.topic, properties={"enable.idempotence": False})
    later.sent(written_since)
    return later

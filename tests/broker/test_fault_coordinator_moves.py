"""The group's coordinator moves and the controller fails over, while commits are under way several times a second.

Each of three brokers is killed in turn under load, so that each of them was coordinator, controller and leader: nothing
is lost, nothing is committed that isn't handled, and with "database" nothing has two effects.
"""

from __future__ import annotations

import pytest

from tests.faults.scenario import PROTOCOLS, consumer_of

BROKERS = 3


@pytest.mark.faults
@pytest.mark.timeout(400)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_each_broker_in_turn_is_killed_in_mid_commit(start_kafka, scenario_on, offset_storage, protocol):
    cluster = start_kafka(brokers=BROKERS)
    scenario = scenario_on(cluster, config={"min.insync.replicas": "2"})
    scenario.consumer |= {**consumer_of(protocol), "offset_storage": offset_storage}
    # One of them is always under way.
    scenario.consumer["offset_commit_interval_seconds"] = 0.05
    workers = [scenario.ready_worker(), scenario.ready_worker()]
    with scenario.watch_commits() as commits:
        with scenario.load.flowing(100):
            for broker in range(BROKERS):
                handled = scenario.effects.count()
                scenario.wait_handled(60, count=handled + 100)

                cluster.kill(broker)
                handled = scenario.effects.count()
                scenario.wait_handled(60, count=handled + 100)
                cluster.restart(broker)
        scenario.wait_handled()
        scenario.wait_committed(40)

    assert [worker.terminate() for worker in workers] == [0] * len(workers)
    assert commits.samples > 0
    assert not commits.too_high
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    assert scenario.effects.dead_letters() == 0
    if offset_storage == "database":
        scenario.assert_nothing_twice()
        scenario.assert_no_key_in_two_places()
    for worker in workers:
        lines = worker.output().count("\n")
        print(f"{lines} lines of {worker}")
        assert lines < 300, worker.tail(60)

"""Three brokers are upgraded from an older Kafka, one after the other, with messages in flight.

Workers and producers go on through each restart, and between brokers of two versions; nothing that was acknowledged is
lost, and with "database" nothing has two effects. Topic ids and offsets mean the same before and after.
"""

from __future__ import annotations

import pytest

from tests.services.kafka_jars import missing_for_kafka
from tests.services.presence import require

OLDER = "3.9.1"


@pytest.mark.faults
@pytest.mark.timeout(400)
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_workers_go_on_through_each_restart(start_kafka, scenario_on, offset_storage):
    require(missing_for_kafka(OLDER))
    cluster = start_kafka(brokers=3, version=OLDER)
    scenario = scenario_on(cluster, replication_factor=3, config={"min.insync.replicas": "2"})
    scenario.consumer |= {"offset_storage": offset_storage}
    workers = [scenario.ready_worker(), scenario.ready_worker()]
    with scenario.watch_commits() as commits:
        with scenario.load.flowing(60):
            scenario.wait_handled(count=100)
            for broker in range(3):
                cluster.upgrade(broker)
                scenario.wait_handled(90, count=scenario.effects.count() + 200)
        scenario.wait_handled(90)

    assert [worker.terminate() for worker in workers] == [0, 0]
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    assert commits.samples
    assert not commits.too_high
    if offset_storage == "database":
        scenario.assert_nothing_twice()
        scenario.assert_no_key_in_two_places()

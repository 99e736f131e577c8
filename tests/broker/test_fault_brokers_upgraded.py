"""Three brokers are upgraded from an older Kafka, one after the other, with messages in flight.

Workers, producers and relays go on through each restart, and between brokers of two versions; nothing that was
acknowledged is lost, and with "database" nothing has two effects. Topic ids and offsets mean the same before and after.
"""

from __future__ import annotations

from functools import partial

import pytest

from tests.publishing.scenario import OUTBOX, PublishingScenario
from tests.services.kafka_jars import missing_for_kafka
from tests.services.presence import require
from tests.waiting import wait_for

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


@pytest.mark.faults
@pytest.mark.timeout(400)
def test_the_outbox_is_relayed_through_each_restart(start_kafka, publishing, scenario_on):
    require(missing_for_kafka(OLDER))
    cluster = start_kafka(brokers=3, version=OLDER)
    publishing.topic = scenario_on(cluster, replication_factor=3, config={"min.insync.replicas": "2"}).topic
    publishing.bootstrap = cluster.bootstrap
    publishing.kafka["endpoints"] = cluster.bootstrap.split(",")
    relay = publishing.active_relay()
    writers = publishing.writers("--forever", "--writers=2", "--keys=5", "--delay-ms=50")
    publishing.wait_arrived(20)

    for broker in range(3):
        cluster.upgrade(broker)
        wait_for(partial(has_left, publishing, last_id(publishing)), 90, relay.tail)

    assert writers.terminate(60) == 0
    publishing.wait_empty(60)
    assert relay.terminate() == 0
    publishing.assert_published_means_arrived()
    publishing.assert_first_appearances_in_order()


def last_id(publishing: PublishingScenario) -> int:
    """The highest id that a row of the outbox was given."""
    ((last,),) = publishing.execute(f"SELECT last_value FROM {OUTBOX}_id_seq")
    return int(last)


def has_left(publishing: PublishingScenario, last: int) -> bool:
    """Whether everything up to this row, and something more, is in Kafka."""
    ((left,),) = publishing.execute(f"SELECT count(*) FROM {OUTBOX} WHERE id <= %s", last)
    return left == 0 and last_id(publishing) > last + 20

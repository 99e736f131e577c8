"""For a minute there are fewer replicas in sync than ``min.insync.replicas`` asks for: the broker takes nothing.

What is published waits, and that is said; what is produced waits too, or says that it may still arrive. When the
replica is back all of it arrives, once and in order.
"""

from __future__ import annotations

import uuid

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.faults.watching import elapse
from tests.publishing.scenario import PublishingScenario
from tests.waiting import wait_for

ROWS = 200


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_what_is_published_waits_and_arrives_once(start_kafka, publishing_url, manage):
    cluster = start_kafka(brokers=3)
    publishing = publishing_on(cluster, publishing_url, manage)
    relay = publishing.active_relay()
    publishing.insert("{}", key="before", count=10)
    publishing.wait_empty()
    cluster.kill(1)

    for number in range(ROWS):
        publishing.insert(f'{{"seq": {number}}}', key=f"key-{number % 7}")
    relay.wait_for_output(rf" 0 message\(s\) relayed in \d+ s, {ROWS} under way\. The oldest message waits for", 90)

    assert publishing.waiting() == ROWS
    assert publishing.refused() == []
    cluster.restart(1)
    publishing.wait_empty(60)
    assert relay.terminate() == 0
    assert len(relay.output().splitlines()) < 30, relay.tail()
    assert publishing.repeats() == 0
    assert_each_key_in_order(publishing, ROWS)


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_what_is_produced_is_acknowledged_later_and_handled_once(start_kafka, scenario_on):
    cluster = start_kafka(brokers=3)
    scenario = scenario_on(cluster, 2, replica_assignment=[[1, 2], [1, 2]], config={"min.insync.replicas": "2"})
    scenario.consumer |= {"offset_storage": "database"}
    worker = scenario.ready_worker()
    with scenario.load.flowing(50):
        scenario.wait_handled(count=50)
        cluster.kill(1)
        # The broker gives up on a replica after seconds.
        acknowledged = wait_until_nothing_is_acknowledged(scenario.load)
        elapse(20)
        assert len(scenario.load.acknowledged) == acknowledged
        cluster.restart(1)
    scenario.wait_handled()

    assert worker.terminate() == 0
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()


def wait_until_nothing_is_acknowledged(load) -> int:
    """How many were acknowledged, once there are no more for two seconds."""

    def stands_still() -> int:
        before = len(load.acknowledged)
        elapse(2)
        return before if len(load.acknowledged) == before else 0

    return wait_for(stands_still, 40, "the broker takes nothing")


def assert_each_key_in_order(publishing: PublishingScenario, rows: int) -> None:
    arrived = [message for message in publishing.arrived() if message.key != "before"]
    assert len(arrived) == rows
    for key in {message.key for message in arrived}:
        numbers = [message.seq for message in arrived if message.key == key]
        assert numbers == sorted(numbers), key


def publishing_on(cluster, database_url, manage) -> PublishingScenario:
    topic = f"topic-{uuid.uuid4().hex[:12]}"
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    new = NewTopic(topic, 2, replica_assignment=[[1, 2], [1, 2]], config={"min.insync.replicas": "2"})
    admin.create_topics([new])[topic].result(30)
    return PublishingScenario(bootstrap=cluster.bootstrap, topic=topic, database_url=database_url, start_manage=manage)

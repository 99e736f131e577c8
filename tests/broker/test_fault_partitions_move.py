"""The partitions of a topic move from broker to broker every two seconds, under load.

Leaders come and go with them, and so do records' homes: producers and consumers follow by themselves. Nothing that was
acknowledged is lost, nothing has two effects, and no key's order breaks.
"""

from __future__ import annotations

from time import monotonic

import pytest
from confluent_kafka.admin import AdminClient

from tests.faults.reassignment import reassign
from tests.faults.scenario import consumer_of
from tests.faults.watching import elapse
from tests.waiting import wait_for

HOMES = [[1, 2], [2, 3], [3, 1]]


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("protocol", "offset_storage"), [("range", "database"), ("consumer", "database"), ("cooperative-sticky", "kafka")]
)
def test_partitions_that_move_every_two_seconds_lose_and_repeat_nothing(
    start_kafka, scenario_on, protocol, offset_storage
):
    cluster = start_kafka(brokers=3)
    scenario = scenario_on(cluster, replica_assignment=[HOMES[0]] * 4, config={"min.insync.replicas": "2"})
    scenario.consumer |= {**consumer_of(protocol), "offset_storage": offset_storage}
    workers = [scenario.ready_worker(), scenario.ready_worker()]
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    port = int(cluster.bootstrap.partition(",")[0].rpartition(":")[2])
    moves = 0
    with scenario.watch_commits() as commits:
        with scenario.load.flowing(100):
            end = monotonic() + 60
            while monotonic() < end:
                homes = {partition: HOMES[(moves + partition) % 3] for partition in range(4)}
                reassign(port, scenario.topic, homes)
                wait_for(lambda homes=homes: replicas_of(admin, scenario.topic) == homes, 30, interval=0.2)
                moves += 1
                elapse(2)
        scenario.wait_handled()

    assert moves > 10
    assert all(worker.running for worker in workers)
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    assert not commits.too_high
    if offset_storage == "database":
        scenario.assert_nothing_twice()
        scenario.assert_no_key_in_two_places()


def replicas_of(admin: AdminClient, topic: str) -> dict[int, list[int]]:
    partitions = admin.list_topics(topic, timeout=10).topics[topic].partitions.values()
    return {partition.id: list(partition.replicas) for partition in partitions}

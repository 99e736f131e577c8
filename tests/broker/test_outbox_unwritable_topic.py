"""One topic takes no messages, because too few of its replicas are in sync.

Three brokers, one of them killed. Thousands of the topic's messages wait in the client, which tries again and again:
they would fill the pipeline. The relay lets a topic have only its share of it, so others flow. When the broker is back,
the topic's own arrive, each once.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.publishing.scenario import PublishingScenario
from tests.services.kafka import KafkaCluster
from tests.waiting import wait_for

ROWS = 5000


@pytest.mark.faults
@pytest.mark.slow
def test_other_topics_flow_and_it_catches_up(
    publishing: PublishingScenario, start_kafka: Callable[..., KafkaCluster]
) -> None:
    cluster = start_kafka(brokers=3)
    publishing.bootstrap = cluster.bootstrap
    publishing.kafka["endpoints"] = cluster.bootstrap.split(",")
    # Brokers are numbered from 1: the second one, which is killed, follows in the one topic only.
    stuck = NewTopic("stuck", 1, replica_assignment=[[1, 2]], config={"min.insync.replicas": "2"})
    free = NewTopic(publishing.topic, 1, replica_assignment=[[1, 3]])
    with AdminClient({"bootstrap.servers": cluster.bootstrap}) as admin:
        for future in admin.create_topics([stuck, free]).values():
            future.result(30)
    relay = publishing.active_relay()
    publishing.insert("warm", topic="stuck")
    publishing.wait_empty()
    cluster.kill(1)

    publishing.insert("x", key="k", topic="stuck", count=ROWS)
    wait_for(lambda: "NOT_ENOUGH_REPLICAS" in relay.output() or publishing.waiting() == ROWS, 30)
    for number in range(50):
        publishing.insert(str(number))
    publishing.wait_arrived(50)
    still_waiting = publishing.waiting()
    cluster.restart(1)

    publishing.wait_empty(90)
    assert still_waiting >= ROWS
    assert len({message.event_id for message in publishing.arrived("stuck")}) == ROWS + 1

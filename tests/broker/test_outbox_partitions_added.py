"""Partitions are added to a topic while a relay runs, and messages are published to one of them at once.

The relay knows the topic as it was. It asks again before it lets a message be refused for its partition; a partition
that still isn't there is refused, and holds its key alone.
"""

from __future__ import annotations

from confluent_kafka.admin import AdminClient, NewPartitions

from tests.processes import ChildProcess
from tests.publishing.scenario import OUTBOX, PublishingScenario
from tests.waiting import wait_for


def relay_that_knows_the_topic(publishing: PublishingScenario) -> ChildProcess:
    relay = publishing.active_relay()
    publishing.insert("before", key="k")
    publishing.wait_empty()
    return relay


def insert_into(publishing: PublishingScenario, partition: int, value: str) -> None:
    publishing.execute(
        f"INSERT INTO {OUTBOX} (topic, key, value, headers, refusal, partition) VALUES (%s, 'k', %s, '[]', '', %s)",
        publishing.topic,
        value.encode(),
        partition,
    )


def test_a_message_for_a_partition_that_was_just_added_arrives(publishing: PublishingScenario) -> None:
    relay_that_knows_the_topic(publishing)
    with AdminClient({"bootstrap.servers": publishing.bootstrap}) as admin:
        admin.create_partitions([NewPartitions(publishing.topic, 8)])[publishing.topic].result(30)
        wait_for(lambda: len(admin.list_topics(publishing.topic, 5).topics[publishing.topic].partitions) == 8)

    insert_into(publishing, 7, "after")

    publishing.wait_empty()
    assert [m.value for m in publishing.arrived() if m.partition == 7] == [b"after"]


def test_a_message_for_a_partition_that_is_not_there_is_refused(publishing: PublishingScenario) -> None:
    relay_that_knows_the_topic(publishing)

    insert_into(publishing, 4, "nowhere")
    publishing.insert("held", key="k")
    publishing.insert("other", key="other")

    publishing.wait_arrived(2)
    wait_for(publishing.refused, 10)
    assert publishing.waiting() == 2
    ((key, reason),) = publishing.refused()
    assert key == b"k"
    assert "partition does not exist" in reason

"""An ACL keeps the relay from writing to some topics.

It may not even see one of them, and may look at another but not write. The messages of both wait, each with its line in
the log, and those of other topics go on. When the ACL is there, they follow.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from tests.publishing.scenario import PublishingScenario
from tests.services.kafka import KafkaCluster
from tests.services.kafka_security import KafkaSecurity

TOPICS = ("open", "seen", "unseen")


def allow(admin: AdminClient, topic: str, operation: AclOperation) -> None:
    acl = AclBinding(
        ResourceType.TOPIC,
        topic,
        ResourcePatternType.LITERAL,
        "User:alice",
        "*",
        operation,
        AclPermissionType.ALLOW,
    )
    admin.create_acls([acl])[acl].result(30)


@pytest.mark.faults
def test_denied_topics_wait_for_their_acl_and_others_flow(
    publishing: PublishingScenario, start_kafka: Callable[..., KafkaCluster]
) -> None:
    cluster = start_kafka(security=KafkaSecurity(acls=True))
    publishing.bootstrap, publishing.topic = cluster.bootstrap, "open"
    publishing.kafka |= {
        "endpoints": cluster.bootstrap_of("SASL"),
        "sasl": {"mechanism": "scram_sha_256", "login": "alice", "password": "alice-secret"},
    }
    with AdminClient({"bootstrap.servers": cluster.bootstrap}) as admin:
        for future in admin.create_topics([NewTopic(topic, 1) for topic in TOPICS]).values():
            future.result(30)
        allow(admin, "open", AclOperation.WRITE)
        allow(admin, "seen", AclOperation.DESCRIBE)
        for number in range(10):
            for topic in TOPICS:
                publishing.insert(str(number), key="k", topic=topic)

        relay = publishing.active_relay()
        publishing.wait_arrived(10)
        for topic in ("seen", "unseen"):
            relay.wait_for_output(f"topic {topic}: an ACL on the topic is missing", 30)
        publishing.insert("10", key="k")
        publishing.wait_arrived(11)
        waiting = publishing.waiting()
        for topic in ("seen", "unseen"):
            allow(admin, topic, AclOperation.WRITE)

    publishing.wait_empty(60)
    assert waiting >= 20
    assert publishing.refused() == []
    for topic in ("seen", "unseen"):
        first = {message.event_id: message.value for message in publishing.arrived(topic)}
        assert list(first.values()) == [str(number).encode() for number in range(10)]
        assert relay.output().count(f"topic {topic}: an ACL on the topic is missing") == 1

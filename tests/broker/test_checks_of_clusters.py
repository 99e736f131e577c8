"""``manage.py check --deploy`` on a real Kafka with ACLs: what a user may not do, and a cluster that doesn't answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, AdminClient, NewTopic
from confluent_kafka.admin import ResourcePatternType as Pattern
from confluent_kafka.admin import ResourceType as Kind
from django.core.checks import run_checks

from kafka_integration.checks import CLUSTER_TAG
from tests.services.kafka import KafkaCluster
from tests.services.kafka_security import KafkaSecurity
from tests.unit.consumers import HANDLER
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("project_alone")


def report() -> list[str]:
    messages = run_checks(tags=[CLUSTER_TAG], include_deployment_checks=True)
    return sorted(f"{str(message.id).rpartition('.')[2]} {message.msg}" for message in messages)


def allow(admin: AdminClient, kind: Kind, name: str, operation: AclOperation) -> None:
    acl = AclBinding(kind, name, Pattern.LITERAL, "User:alice", "*", operation, AclPermissionType.ALLOW)
    admin.create_acls([acl])[acl].result(30)


def test_operations_that_are_not_allowed_are_named(start_kafka: Callable[..., KafkaCluster], settings: Any) -> None:
    cluster = start_kafka(security=KafkaSecurity(acls=True))
    settings.KAFKA = {
        "endpoints": [cluster.bootstrap_of("SASL")],
        "sasl": {"mechanism": "scram_sha_256", "login": "alice", "password": "alice-secret"},
        "producer": {"topics": ["orders"]},
        "consumers": {"c": {"topics": ["orders"], "consumer_group": "group", "message_handler": HANDLER}},
    }
    with AdminClient({"bootstrap.servers": cluster.bootstrap}) as admin:
        admin.create_topics([NewTopic("orders", 1)])["orders"].result(30)
        hidden = report()
        allow(admin, Kind.TOPIC, "orders", AclOperation.DESCRIBE)
        wait_for(lambda: not any(text.startswith("W014") for text in report()))
        seen = report()
        allow(admin, Kind.TOPIC, "orders", AclOperation.READ)
        allow(admin, Kind.TOPIC, "orders", AclOperation.WRITE)
        allow(admin, Kind.GROUP, "group", AclOperation.READ)

        wait_for(lambda: report() == [])

    group = 'E020 The brokers don\'t allow this user READ on the group group, which consumer "c" needs: add an ACL.'
    assert hidden[0] == group
    assert hidden[1].startswith("W014 The settings name the topic orders, and it isn't there, or an ACL hides it")
    assert len(hidden) == 2
    assert seen == [
        group,
        'E020 The brokers don\'t allow this user READ on the topic orders, which consumer "c" needs: add an ACL.',
        "E020 The brokers don't allow this user WRITE on the topic orders, which the producer needs: add an ACL.",
    ]


@pytest.mark.faults
def test_a_cluster_that_does_not_answer_is_one_warning_within_seconds(
    start_kafka: Callable[..., KafkaCluster], settings: Any
) -> None:
    cluster = start_kafka()
    settings.KAFKA = {"endpoints": [cluster.bootstrap], "producer": {"topics": ["orders"]}}
    cluster.freeze()
    began_at = time.monotonic()

    (text,) = report()

    assert time.monotonic() - began_at < 15
    assert text.startswith(f"W010 {cluster.bootstrap} can't be asked")
    cluster.thaw()

"""``kafkatopics`` on a real Kafka: topics are made and changed as the settings say, and what is wrong is seen."""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from django.core.management import CommandError, call_command

from kafka_integration import produce_sync
from kafka_integration.client.producers.registry import producers
from tests.services.kafka import KafkaCluster
from tests.unit.consumers import HANDLER
from tests.unit.topics import document
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("project_alone")


@pytest.fixture
def name() -> str:
    return f"topic-{uuid.uuid4().hex[:12]}"


def config_of(cluster: KafkaCluster, topic: str) -> dict[str, str]:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    (answer,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    return {key: entry.value for key, entry in answer.result(10).items()}


def with_topic(cluster: KafkaCluster, topic: str, **keys: Any) -> dict[str, Any]:
    return {"endpoints": cluster.bootstrap.split(","), "topics": {topic: keys}}


def test_a_topic_is_made_changed_and_then_there_is_nothing_to_do(kafka: KafkaCluster, name: str, settings: Any) -> None:
    settings.KAFKA = with_topic(kafka, name, partitions=3, replication_factor=1, config={"retention.ms": 3_600_000})
    made = document("apply")
    again = document("plan")
    settings.KAFKA = with_topic(
        kafka, name, partitions=5, config={"retention.ms": None, "cleanup.policy": ["compact", "delete"]}
    )

    changed = document("apply")

    assert [(change["action"], change["result"]) for change in made] == [("create", "done")]
    assert again == []
    assert [(change["action"], change["result"]) for change in changed] == [
        ("add_partitions", "done"),
        ("set_config", "done"),
    ]
    assert document("plan") == []
    assert document("health") == []
    assert config_of(kafka, name)["cleanup.policy"] == "compact,delete"
    assert {"topic": name, "partitions": 5, "replication_factor": 1, "configured": True} in document("list")


def test_a_topic_that_is_only_named_gets_what_the_cluster_gives(kafka: KafkaCluster, name: str, settings: Any) -> None:
    settings.KAFKA = {"endpoints": [kafka.bootstrap], "producer": {"topics": [name]}}

    (made,) = document("apply")

    assert made["result"] == "done"
    assert name in {topic["topic"] for topic in document("list")}


def test_a_setting_that_kafka_refuses_is_the_failure_of_one_line(kafka: KafkaCluster, name: str, settings: Any) -> None:
    other = f"{name}-other"
    settings.KAFKA = {
        "endpoints": [kafka.bootstrap],
        "topics": {name: {"config": {"retention.ms": "soon"}}, other: {"partitions": 1}},
    }

    first, second = document("apply", fails=True)

    assert first["result"].startswith(
        f"failed: topic {name}: Kafka does not take a setting of the topic (INVALID_CONFIG"
    )
    assert second["result"] == "done"


def test_a_shorter_retention_names_the_group_that_would_lose_messages(
    kafka: KafkaCluster, create_topic: Callable[..., str], settings: Any
) -> None:
    topic = create_topic(partitions=1)
    reader = {"topics": [topic], "consumer_group": f"group-{topic}", "message_handler": HANDLER}
    settings.KAFKA = {
        "endpoints": [kafka.bootstrap],
        "consumers": {"c": reader},
        "topics": {topic: {"config": {"retention.ms": 60_000}}},
    }
    hour_ago = int(time.time() * 1000) - 3_600_000
    for _ in range(3):
        produce_sync(topic, "old", timestamp=hour_ago)
    produce_sync(topic, "new")
    producers.close(5)

    (change,) = document("plan")

    assert f"group group-{topic} has not handled 3 of them" in change["warning"]


@pytest.mark.faults
def test_what_a_lost_broker_means_for_topics_is_seen(start_kafka: Callable[..., KafkaCluster], settings: Any) -> None:
    cluster = start_kafka(brokers=3, properties={"default.replication.factor": 3})
    settings.KAFKA = {
        "endpoints": cluster.bootstrap.split(","),
        "topics": {
            "safe": {"partitions": 3, "replication_factor": 3, "config": {"min.insync.replicas": 2}},
            "strict": {"partitions": 3, "replication_factor": 3, "config": {"min.insync.replicas": 3}},
            "single": {"partitions": 3, "replication_factor": 1},
        },
    }
    document("apply")
    # A broker hears of a topic that was made a moment after the controller said that it is there.
    wait_for(lambda: "as many as it has replicas" in health("strict"))
    wait_for(lambda: "replication factor 1 on a cluster of 3 brokers" in health("single"))
    wait_for(lambda: not health("safe"))

    cluster.kill(2)

    wait_for(lambda: "not in sync" in health("safe"), timeout=60)
    wait_for(lambda: "fewer replicas in sync than min.insync.replicas 3" in health("strict"), timeout=60)
    wait_for(lambda: "no leader for partition" in health("single"), timeout=60)


def test_a_cluster_that_is_away_is_one_line(settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["127.0.0.1:1"], "topics": {"orders": {}}}
    began_at = time.monotonic()

    with pytest.raises(CommandError, match=r"topics of the cluster: "):
        call_command("kafkatopics", "health")

    assert time.monotonic() - began_at < 15


def health(topic: str) -> str:
    """Nothing while it is the dead broker that is asked."""
    with suppress(json.JSONDecodeError):
        return by_topic(document("health", fails=True)).get(topic, "")
    return ""


def by_topic(problems: list[dict[str, str]]) -> dict[str, str]:
    found = itertools.groupby(sorted(problems, key=lambda each: each["topic"]), key=lambda each: each["topic"])
    return {topic: "\n".join(each["problem"] for each in group) for topic, group in found}

"""``kafkatopics`` on the embedded broker, which gives each topic its 4 partitions and keeps no settings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from kafka_integration.client.transports.embedded import EmbeddedBroker
from kafka_integration.conf import get_settings
from kafka_integration.operating.topics.browsing import Query, look
from kafka_integration.testing.embedding import EmbeddedKafka
from tests.unit.topics import document

pytestmark = pytest.mark.usefixtures("project_alone")


def test_a_topic_is_made_with_the_partitions_that_all_have(own_broker: EmbeddedBroker, settings: Any) -> None:
    settings.KAFKA = {"endpoints": "embedded", "topics": {"orders": {"partitions": 6, "replication_factor": 3}}}

    (change,) = document("apply")

    assert change["to"] == {"partitions": 4, "replication_factor": 1, "config": {}}
    assert change["result"] == "done"
    assert "gives each topic 4 partitions" in change["warning"]
    assert document("plan") == []
    assert {"topic": "orders", "partitions": 4, "replication_factor": 1, "configured": True} in document("list")


def test_settings_that_it_cannot_keep_are_said(
    own_broker: EmbeddedBroker, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    own_broker.create_topics(["orders"])
    settings.KAFKA = {"endpoints": "embedded", "topics": {"orders": {"config": {"retention.ms": 1000}}}}

    call_command("kafkatopics", "plan")

    assert "orders: the embedded broker keeps no settings of topics" in capsys.readouterr().err


@pytest.mark.parametrize("partitions", [1, 6])
def test_partitions_that_nobody_can_choose_are_said_and_no_problem(
    own_broker: EmbeddedBroker, settings: Any, capsys: pytest.CaptureFixture[str], partitions: int
) -> None:
    own_broker.create_topics(["orders"])
    topics = {"orders": {"partitions": partitions, "replication_factor": 3, "config": {"retention.ms": 1000}}}
    settings.KAFKA = {"endpoints": "embedded", "topics": topics}

    call_command("kafkatopics", "health")
    call_command("kafkatopics", "plan")

    shown = capsys.readouterr()
    assert shown.out.startswith("All is well.")
    assert "orders: the embedded broker gives each topic 4 partitions and keeps no settings of it" in shown.err
    assert "move to it" not in shown.err


@pytest.mark.django_db
def test_the_page_of_a_topic_says_why_it_shows_no_settings(
    own_broker: EmbeddedBroker, settings: Any, client: Client, admin_user: User
) -> None:
    own_broker.create_topics(["orders"])
    settings.KAFKA = {"endpoints": "embedded", "topics": {"orders": {}}, "producer": {"allow_any_topic": True}}
    client.force_login(admin_user)

    page = client.get(reverse("admin:kafka_integration_topic", args=["orders"])).content.decode()

    assert "The embedded broker keeps no settings of topics" in page
    assert "ACL" not in page


def test_messages_are_looked_at_without_a_group(own_broker: EmbeddedBroker, settings: Any) -> None:
    settings.KAFKA = {"endpoints": "embedded"}
    kafka = EmbeddedKafka(own_broker)
    own_broker.create_topics(["orders"])
    for number in range(20):
        kafka.produce("orders", f"v{number}", key=str(number % 3), partition=number % 2)
    connection = get_settings().connection

    newest = look(connection, Query(topic="orders", limit=2))
    searched = look(connection, Query(topic="orders", text=b"v13"))
    timed = look(connection, Query(topic="orders", start=datetime(2020, 1, 1, tzinfo=UTC), partition=0, limit=3))

    assert [message.value for message in newest.messages] == [b"v18", b"v19"]
    assert [(message.partition, message.offset) for message in searched.messages] == [(1, 6)]
    assert searched.is_whole
    assert [message.value for message in timed.messages] == [b"v0", b"v2", b"v4"]

"""``kafkatopics`` on the embedded broker, which gives each topic its 4 partitions and keeps no settings."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command

from kafka_integration.client.transports.embedded import EmbeddedBroker
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

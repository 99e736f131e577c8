"""Ctrl-C while a command waits: it ends with a line and the status of an interrupt, not with a traceback."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from django.core.management import CommandError, call_command

from kafka_integration.client.metadata.group_offsets import GroupOffsets
from kafka_integration.client.metadata.topic_layouts import TopicLayouts
from kafka_integration.consuming.catching_up.group_positions import GroupPositions
from kafka_integration.dead_letters import operations as dead_letters
from kafka_integration.management.commands import kafkaprocesses
from kafka_integration.producing.delivery import Delivery
from tests.unit.consumers import consumer_settings

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db]


@pytest.mark.parametrize(
    ("command", "place", "name"),
    [
        (["kafkagroups", "lag", "group"], GroupPositions, "read"),
        (["kafkaprocesses", "list"], kafkaprocesses, "list_processes"),
        (["kafkatopics", "plan"], TopicLayouts, "ask"),
        (["kafkaproduce", "events", "a"], Delivery, "result"),
        (["kafkadeadletters", "list"], dead_letters, "newest"),
        (["kafkaevents", "an-id"], GroupOffsets, "places"),
    ],
    ids=lambda given: given[0] if isinstance(given, list) else "",
)
def test_it_ends_with_a_line(command, place, name, settings, monkeypatch):
    settings.KAFKA = consumer_settings()
    monkeypatch.setattr(place, name, Mock(side_effect=KeyboardInterrupt))

    with pytest.raises(CommandError, match=r"^interrupted$") as raised:
        call_command(*command)

    assert raised.value.returncode == 130

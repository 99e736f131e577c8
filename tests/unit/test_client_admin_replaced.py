"""An admin client that nobody answers may know no broker any more: another one is asked then."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from kafka_integration.client.metadata import admin, partition_ends
from kafka_integration.client.metadata.partition_ends import PartitionEnds
from kafka_integration.client.transports.memory import MemoryAdmin, memory_broker
from kafka_integration.conf import get_settings
from tests.unit.consumers import TOPIC, consumer_settings

pytestmark = pytest.mark.usefixtures("memory_transport")


@pytest.fixture
def made(monkeypatch, settings):
    """The clients; nobody answers the first of them."""
    settings.KAFKA = consumer_settings()
    monkeypatch.setattr(admin, "NEW_CLIENT_SECONDS", 0.0)
    monkeypatch.setattr(partition_ends, "ANSWER_SECONDS", 0.05)
    made, answer = [], MemoryAdmin.list_offsets

    def ask(client, asked, **options):
        if client not in made:
            made.append(client)
        return {each: Future() for each in asked} if client is made[0] else answer(client, asked, **options)

    monkeypatch.setattr(MemoryAdmin, "list_offsets", ask)
    return made


def test_who_asks_for_ends_and_gets_no_answer_for_long_asks_with_a_new_client(made):
    memory_broker().create_topic(TOPIC, 1)
    ends = PartitionEnds(get_settings().consumers["c"].connection)

    answers = [ends.ask([(TOPIC, 0)]) for _ in range(3)]

    assert answers == [{}, {}, {(TOPIC, 0): (0, 0)}]
    assert len(made) == 2

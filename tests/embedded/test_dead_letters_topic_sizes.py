"""How many partitions a topic has, asked by clients that must not make it."""

from __future__ import annotations

import pytest

from kafka_integration.client.metadata.topic_sizes import TopicSizes
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.conf.connection import Connection
from kafka_integration.errors import BrokerError


def test_the_embedded_broker_is_asked_and_nothing_is_made(own_broker):
    own_broker.create_topics(["orders"])
    sizes = TopicSizes(Connection(transport="embedded"))

    assert (sizes.ask("orders"), sizes.ask("nowhere")) == (4, 0)

    # Another client, which has not heard of it by asking, would see it now.
    assert TopicSizes(Connection(transport="embedded")).ask("nowhere") == 0


def test_the_memory_broker_is_asked(request):
    request.addfinalizer(memory_broker().reset)
    memory_broker().create_topic("orders", 7)

    assert TopicSizes(Connection(transport="memory")).ask("orders") == 7


def test_an_answer_is_good_for_a_while(own_broker):
    sizes = TopicSizes(Connection(transport="embedded"))
    assert sizes.ask("orders") == 0

    own_broker.create_topics(["orders"])

    assert sizes.ask("orders") == 0


def test_without_an_answer_it_is_not_known(monkeypatch):
    monkeypatch.setattr("kafka_integration.client.metadata.patience.LEAST_SECONDS", 0.2)
    # Port 1 is nobody's.
    sizes = TopicSizes(Connection(servers=("127.0.0.1:1",), config={"log_level": 0}))

    with pytest.raises(BrokerError):
        sizes.ask("orders")

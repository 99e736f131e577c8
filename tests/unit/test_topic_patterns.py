"""Which topics a ^pattern stands for."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from confluent_kafka import TopicPartition

from kafka_integration.client.consumer import ConsumerClient
from kafka_integration.conf import get_settings
from kafka_integration.topic_names import INTERNAL_TOPICS, cover, topic_pattern_problem
from tests.unit.consumers import consumer_settings


@pytest.mark.parametrize("topic", sorted(INTERNAL_TOPICS))
def test_a_pattern_never_stands_for_a_topic_of_kafkas_own(topic):
    assert not cover(["^.*"], topic)
    assert not cover(["^__.*"], topic, whole_names=True)
    assert cover([topic], topic)


def test_a_pattern_stands_for_any_other_topic():
    assert cover(["^.*"], "orders")
    assert cover(["^__debezium.*"], "__debezium-heartbeat.shop")


@pytest.mark.parametrize(
    ("pattern", "topic", "stands"),
    [
        ("^orders[[:digit:]]+", "orders12", True),
        ("^orders[[:digit:]]+", "ordersx", False),
        ("^[[:upper:]_]+$", "ORDERS_", True),
        ("^orders[^[:alnum:]]", "orders-eu", True),
        ("^orders[[:punct:]]eu", "orders.eu", True),
    ],
)
def test_a_posix_class_means_here_what_it_means_to_kafka(pattern, topic, stands):
    assert cover([pattern], topic) is stands
    assert topic_pattern_problem(pattern) is None


@pytest.mark.usefixtures("memory_transport")
def test_what_a_broker_assigns_is_taken_however_it_reads_the_pattern(settings):
    settings.KAFKA = consumer_settings(topics=["^orders(?i:X)"])
    taken = []
    client = ConsumerClient(get_settings().consumers["c"], Mock(assigned=taken.extend))

    client._on_assign(Mock(), [TopicPartition("orders-eu", 1), TopicPartition("__consumer_offsets", 0)])

    assert taken == [("orders-eu", 1)]

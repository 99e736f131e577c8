"""A topic is made, and messages to it follow at once: the broker that leads its partitions may not know that yet.

It refuses the first request to a partition, and takes the one behind it, knowing nothing of the sender (KAFKA-15591).
librdkafka then reports the first as delivered along with the second, and its messages are nowhere. So only one request
is under way at a time: whatever was acknowledged is in the topic, each message once, in order.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from django.test import override_settings

from kafka_integration import produce
from kafka_integration.client.producers.ordered import OrderedProducer
from kafka_integration.client.producers.registry import producers
from kafka_integration.conf import get_settings
from tests.faults.watching import elapse
from tests.services.kafka import KafkaCluster

pytestmark = pytest.mark.faults

TOPICS = 50
PARTITIONS = 8
MESSAGES = 200


Send = Callable[[str], None]


@pytest.fixture
def produced(kafka: KafkaCluster) -> Iterator[Send]:
    """Sends a topic's messages with ``produce``."""

    def send(topic: str) -> None:
        deliveries = []
        for number in _a_few_at_a_time():
            deliveries.append(produce(topic, str(number), key="k", partition=number % PARTITIONS))
        for delivery in deliveries:
            delivery.result(30)

    with override_settings(KAFKA=_settings(kafka)):
        yield send
        producers.close(5)


@pytest.fixture
def relayed(kafka: KafkaCluster) -> Iterator[Send]:
    """Sends a topic's messages as the relay does."""

    def send(topic: str) -> None:
        for number in _a_few_at_a_time():
            producer.send(number, topic, str(number).encode(), b"k", [], number % PARTITIONS, 0)
            producer.poll(0)
        producer.drain(30)
        assert sorted(producer.take_acknowledged()) == list(range(MESSAGES))

    with override_settings(KAFKA=_settings(kafka)):
        producer = OrderedProducer(get_settings().producer, name="the relay")
        yield send
        producer.close(5)


def _settings(kafka: KafkaCluster) -> dict[str, Any]:
    return {"endpoints": kafka.bootstrap, "producer": {"linger_ms": 0}}


def _a_few_at_a_time() -> Iterator[int]:
    """Numbers, so slowly that they leave in several requests to each partition."""
    for number in range(MESSAGES):
        yield number
        if number % 4 == 0:
            elapse(0.0005)


def arrived(bootstrap: str, topics: list[str]) -> dict[tuple[str, int], list[int]]:
    """What is in each partition, in its order."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": uuid.uuid4().hex, "enable.partition.eof": True})
    places = [TopicPartition(topic, number, 0) for topic in topics for number in range(PARTITIONS)]
    consumer.assign(places)
    found, ended = defaultdict(list), set()
    while len(ended) < len(places):
        for record in consumer.consume(1000, 0.2):
            place = record.topic(), record.partition()
            if record.error() is None:
                found[place].append(int(record.value()))
            else:
                ended.add(place)
    consumer.close()
    return found


@pytest.mark.parametrize("way", ["produced", "relayed"])
def test_what_was_acknowledged_is_there_once_and_in_order(
    kafka: KafkaCluster, create_topic: Callable[..., str], request: pytest.FixtureRequest, way: str
) -> None:
    send: Send = request.getfixturevalue(way)
    topics = []
    for _ in range(TOPICS):
        topics.append(create_topic(partitions=PARTITIONS))
        send(topics[-1])

    found = arrived(kafka.bootstrap, topics)

    expected = {number: list(range(number, MESSAGES, PARTITIONS)) for number in range(PARTITIONS)}
    wrong = {place: numbers for place, numbers in found.items() if numbers != expected[place[1]]}
    assert not wrong, f"{len(wrong)} of {len(found)} partitions: {dict(list(wrong.items())[:3])}"
    assert len(found) == TOPICS * PARTITIONS

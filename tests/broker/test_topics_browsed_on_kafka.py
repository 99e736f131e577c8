"""Looking at what a topic of a real Kafka holds: its ends are found though no message stands there."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import Producer

from kafka_integration.conf import get_settings
from kafka_integration.operating.topics.browsing import SECONDS, Look, Query, look
from tests.services.kafka import KafkaCluster

pytestmark = pytest.mark.usefixtures("project_alone")


@pytest.fixture
def topic(kafka: KafkaCluster, create_topic: Callable[..., str], settings: Any) -> str:
    settings.KAFKA = {"endpoints": [kafka.bootstrap]}
    return create_topic(partitions=2)


def shown(**query: Any) -> tuple[list[bytes | None], Look]:
    found = look(get_settings().connection, Query(**query))
    return [message.value for message in found.messages], found


def test_what_a_transaction_left_behind_is_neither_shown_nor_waited_for(kafka: KafkaCluster, topic: str) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic})
    producer.init_transactions(30)
    for value, end in (("kept", producer.commit_transaction), ("aborted", producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value, partition=0)
        producer.flush(30)
        end(30)
    began_at = time.monotonic()

    values, found = shown(topic=topic)
    searched, everything = shown(topic=topic, text=b"aborted")

    assert values == [b"kept"]
    assert searched == []
    assert found.is_whole
    assert everything.is_whole
    # After each message stands what ended its transaction.
    assert [each.end for each in found.partitions] == [4, 0]
    assert time.monotonic() - began_at < SECONDS


def test_one_begins_at_a_time(kafka: KafkaCluster, topic: str) -> None:
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 6)]
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for day in days:
        producer.produce(topic, f"day {day.day}", partition=day.day % 2, timestamp=int(day.timestamp() * 1000))
    producer.flush(30)

    assert shown(topic=topic, start=days[2])[0] == [b"day 3", b"day 4", b"day 5"]
    assert shown(topic=topic, start=datetime(2026, 2, 1, tzinfo=UTC))[0] == []
    assert shown(topic=topic, start=days[0], partition=0)[0] == [b"day 2", b"day 4"]


def test_a_search_goes_through_many_messages(kafka: KafkaCluster, topic: str) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 50})
    for number in range(5000):
        producer.produce(topic, f"value {number:04}", key=str(number), partition=number % 2)
    producer.flush(30)

    by_text, found = shown(topic=topic, text=b"value 0007")
    by_key, _ = shown(topic=topic, key=b"4999")

    assert by_text == [b"value 0007"]
    assert found.is_whole
    assert by_key == [b"value 4999"]

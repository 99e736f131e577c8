"""``kafkatail`` on a real Kafka shows what kcat produced: from a time on, and from partitions that are added."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions
from django.test import override_settings

from kafka_integration import produce_sync
from kafka_integration.client.producers.registry import producers
from kafka_integration.client.topic_reader import TopicReader
from kafka_integration.conf import get_settings
from kafka_integration.operating.tailing import tail
from tests.services.kafka import KafkaCluster
from tests.services.kcat import Kcat
from tests.waiting import wait_for


@pytest.fixture(autouse=True)
def _endpoints(kafka: KafkaCluster):
    with override_settings(KAFKA={"endpoints": kafka.bootstrap}):
        yield
        producers.close(5)


def unexpected() -> None:
    raise AssertionError("the topic is there")


def test_it_shows_what_kcat_produced(create_topic: Callable[..., str], kcat: Kcat) -> None:
    topic = create_topic(partitions=1)
    kcat.produce(topic, "Franz Kafka", key="Metamorphosis")

    lines = tail(get_settings().connection, topic, start="earliest", limit=1, when_absent=unexpected)

    assert [line for line in lines if line] == [f"{topic}[0]@0 Metamorphosis Franz Kafka"]


def test_it_begins_at_a_time(create_topic: Callable[..., str]) -> None:
    topic = create_topic(partitions=1)
    for day in (1, 2, 3):
        produce_sync(topic, f"day {day}", timestamp=datetime(2026, 1, day, tzinfo=UTC))

    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    lines = tail(get_settings().connection, topic, start=noon, limit=2, when_absent=unexpected)

    assert [line.partition(" ")[2] for line in lines if line] == ["(null) day 2", "(null) day 3"]


def test_a_time_before_all_messages_is_the_beginning(create_topic: Callable[..., str]) -> None:
    topic = create_topic(partitions=1)
    produce_sync(topic, "the first")

    for year in (1, 1960, 1970):
        start = datetime(year, 1, 1, tzinfo=UTC)
        lines = tail(get_settings().connection, topic, start=start, limit=1, when_absent=unexpected)

        assert [line.partition(" ")[2] for line in lines if line] == ["(null) the first"]


def test_it_shows_what_comes_into_an_added_partition(
    create_topic: Callable[..., str], kafka: KafkaCluster, kcat: Kcat
) -> None:
    topic = create_topic(partitions=1)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    with TopicReader(get_settings().connection, topic, "latest") as reader:
        batches = reader.read(unexpected)
        next(batches)
        admin.create_partitions([NewPartitions(topic, 2)])[topic].result(30)
        wait_for(lambda: len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == 2)
        kcat.produce(topic, "in the new one", partition=1)

        found = wait_for(lambda: next(batches), timeout=30)

    assert [(message.partition(), message.value()) for message in found] == [(1, b"in the new one")]

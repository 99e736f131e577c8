"""What this package produces, a client that nobody here wrote reads: same key, partition, headers and time.

And what kcat's murmur2 does with a key is what ours does, so that keys stay together whoever sends them.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from confluent_kafka.admin import AdminClient
from django.test import override_settings

from kafka_integration import InvalidMessageError, ProduceTimeoutError, produce, produce_batch, produce_sync
from kafka_integration.client.producers.registry import producers
from kafka_integration.errors import DeliveryError
from tests.services.kafka import KafkaCluster
from tests.services.kcat import Kcat


@pytest.fixture(autouse=True)
def _producing(kafka: KafkaCluster) -> Iterator[None]:
    with override_settings(KAFKA={"endpoints": kafka.bootstrap}):
        yield
        producers.close(5)


def test_kcat_reads_key_value_headers_partition_and_time(create_topic: Callable[..., str], kcat: Kcat) -> None:
    topic = create_topic()
    at = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)

    metadata = produce_sync(
        topic,
        {"q": "Käse", "tags": ["a", None]},
        key="user-1",
        headers=[("trace", "1"), ("trace", b"2"), ("empty", "")],
        partition=3,
        timestamp=at,
    )

    (record,) = kcat.consume(topic)
    assert (record.partition, record.offset) == (metadata.partition, metadata.offset) == (3, 0)
    assert record.timestamp == metadata.ts == 1767323045678
    assert metadata.timestamp == at
    assert record.key == "user-1"
    assert json.loads(record.payload or "") == {"q": "Käse", "tags": ["a", None]}
    assert record.header_pairs == [("trace", "1"), ("trace", "2"), ("empty", "")]


def test_kcat_tells_null_from_empty(create_topic: Callable[..., str], kcat: Kcat) -> None:
    topic = create_topic(partitions=1)

    for at, (key, value) in enumerate([(None, None), ("", ""), ("k", None), (None, "v")], start=1):
        produce_sync(topic, value, key=key, timestamp=at)

    records = kcat.consume(topic)
    assert [(record.key, record.payload) for record in records] == [(None, None), ("", ""), ("k", None), (None, "v")]


def test_keys_land_where_kcats_murmur2_puts_them(create_topic: Callable[..., str], kafka: KafkaCluster) -> None:
    topic = create_topic(partitions=7)
    keys = [f"user-{number}" for number in range(50)] + ["ä", "x" * 500]
    murmur2 = Kcat(kafka.bootstrap, ["topic.partitioner=murmur2_random"])

    results = produce_batch(topic, [(key, "ours") for key in keys])
    murmur2.produce_many(topic, [(key, "kcat") for key in keys])

    ours = {key: result.partition for key, result in zip(keys, results, strict=True)}
    theirs = {record.key: record.partition for record in murmur2.consume(topic) if record.payload == "kcat"}
    assert theirs == ours
    assert len(set(ours.values())) == 7


def test_a_topic_created_while_we_wait_gets_the_message(create_topic: Callable[..., str], kcat: Kcat) -> None:
    name = f"soon-{time.time_ns()}"
    creating = threading.Timer(1.5, create_topic, [name])
    creating.start()

    metadata = produce_sync(name, "first", timeout=20)

    creating.join()
    assert [record.payload for record in kcat.consume(metadata.topic)] == ["first"]


def test_the_first_message_creates_the_topic_where_that_is_allowed(start_kafka: Callable[..., KafkaCluster]) -> None:
    creating = start_kafka(properties={"auto.create.topics.enable": "true"})

    with override_settings(KAFKA={"endpoints": creating.bootstrap, "producer": {"allow_topic_auto_creation": True}}):
        produce_sync("created", "first", timeout=20)
        producers.close(5)

    assert [record.payload for record in Kcat(creating.bootstrap).consume("created")] == ["first"]


def test_an_unknown_topic_is_said_and_not_created(kafka: KafkaCluster) -> None:
    name = f"never-{time.time_ns()}"

    with pytest.raises(ProduceTimeoutError, match="does not exist"):
        produce_sync(name, "x", key="k", timeout=2)

    assert name not in AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics(timeout=10).topics


def test_a_partition_that_is_not_there_is_refused(create_topic: Callable[..., str]) -> None:
    topic = create_topic(partitions=2)

    with pytest.raises(InvalidMessageError, match="only 0 to 1"):
        produce(topic, "x", partition=2)


def test_what_only_the_broker_finds_too_large_is_its_refusal(create_topic: Callable[..., str], kcat: Kcat) -> None:
    topic = create_topic(config={"max.message.bytes": "2000"})

    with pytest.raises(DeliveryError, match=r"max\.message\.bytes") as refused:
        produce_sync(topic, b"x" * 5000)

    assert (refused.value.code, refused.value.may_still_arrive) == ("MSG_SIZE_TOO_LARGE", False)
    assert kcat.consume(topic) == []


def test_a_compacted_topic_takes_no_message_without_a_key(create_topic: Callable[..., str]) -> None:
    topic = create_topic(config={"cleanup.policy": "compact"})

    with pytest.raises(DeliveryError, match="without a key"):
        produce_sync(topic, "x")


def test_fifty_thousand_messages_all_arrive_once(create_topic: Callable[..., str], kcat: Kcat) -> None:
    topic = create_topic(partitions=1)

    deliveries = [produce(topic, str(number)) for number in range(50_000)]

    assert [delivery.result(60).offset for delivery in deliveries] == list(range(50_000))

"""A batch goes to the client many messages at a time, and each of them fares as it would alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from django.test import override_settings

from kafka_integration import BatchProduceError, Message, ProduceTimeoutError, produce_batch
from kafka_integration.client.producers.plain_messages import PlainMessage, hand_over
from kafka_integration.client.producers.registry import producers
from kafka_integration.client.transports.embedded import EmbeddedBroker
from kafka_integration.errors import DeliveryError
from kafka_integration.testing.embedding import EmbeddedKafka
from tests.embedded.test_produce_now import NOBODY, numbers, settings_for

AT_MS = 1_767_312_000_000


@pytest.fixture
def topic(shared_broker: EmbeddedBroker) -> str:
    name = f"batch-{next(numbers)}"
    shared_broker.create_topics([name])
    return name


@pytest.fixture(autouse=True)
def _producing(shared_broker: EmbeddedBroker) -> Iterator[None]:
    with override_settings(KAFKA=settings_for(shared_broker.servers)):
        yield
        producers.close(0)


@pytest.fixture
def consume(shared_broker: EmbeddedBroker) -> Callable[..., list[Message]]:
    return EmbeddedKafka(shared_broker).consume


def plain(count: int) -> list[PlainMessage]:
    return [{"value": b"v", "key": b"k", "callback": lambda *_: None} for _ in range(count)]


def test_plain_messages_and_others_keep_their_order(topic: str, consume: Any) -> None:
    large = "k" * 5000
    batch: list[Any] = []
    for number in range(0, 1500, 5):
        batch += [
            ("k", str(number)),
            {"key": "k", "value": str(number + 1), "headers": {"h": "1"}},
            {"key": "k", "value": str(number + 2), "timestamp": AT_MS + number},
            ["k", str(number + 3)],
            (large, "large"),
        ]

    results = produce_batch(topic, batch)

    arrived = consume(topic, len(batch))
    same_key = [message for message in arrived if message.key == "k"]
    assert [message.value for message in same_key] == [str(n) for n in range(1500) if n % 5 != 4]
    assert [message.headers for message in same_key[:3]] == [[], [("h", b"1")], []]
    assert same_key[2].ts == results[2].ts == AT_MS
    places = {(message.partition, message.offset): message.value_bytes for message in arrived}
    assert [places[result.partition, result.offset] for result in results[:4]] == [b"0", b"1", b"2", b"3"]
    assert sum(message.key == large for message in arrived) == 300


def test_a_batch_larger_than_the_queue_waits_for_room(topic: str, consume: Any, settings: Any) -> None:
    servers = settings.KAFKA["endpoints"][0]
    settings.KAFKA = settings_for(servers, config={"queue.buffering.max.messages": 100})

    results = produce_batch(topic, [("k", str(number)) for number in range(2000)])

    assert [result.offset for result in results] == [*range(2000)]
    assert [message.value for message in consume(topic, 2000)] == [str(number) for number in range(2000)]


def test_what_there_was_no_room_for_can_not_arrive(settings: Any) -> None:
    settings.KAFKA = settings_for(NOBODY, config={"queue.buffering.max.messages": 100})

    with pytest.raises(BatchProduceError) as raised:
        produce_batch("anywhere", [("k", str(number)) for number in range(1200)], timeout=0.5)

    failed = raised.value.failed
    assert [*failed] == [*range(1200)]
    assert all(isinstance(failed[number], ProduceTimeoutError) for number in range(100))
    late = [failed[number] for number in range(100, 1200)]
    assert all(isinstance(error, DeliveryError) and error.code == "_QUEUE_FULL" for error in late)
    assert not any(error.may_still_arrive for error in late)


def test_each_partition_strategy_sees_each_message(topic: str, settings: Any) -> None:
    settings.KAFKA = settings_for(settings.KAFKA["endpoints"][0], partition_strategy="md5")

    results = produce_batch(topic, [(f"k{number}", "v") for number in range(100)])

    assert len({result.partition for result in results}) == 4


def test_what_the_client_refuses_of_many_is_told_by_its_place() -> None:
    def produce_batch(topic: str, messages: Any) -> int:
        messages[1]["_error"] = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
        for message in messages[3:]:
            message["_error"] = KafkaError(KafkaError._QUEUE_FULL)
        return 2

    messages = plain(5)
    refused, room = hand_over(produce_batch, "t", messages)

    assert (room, [*refused], refused[1].code) == (3, [1], "MSG_SIZE_TOO_LARGE")
    assert messages == plain_again(messages)


def plain_again(messages: list[PlainMessage]) -> list[PlainMessage]:
    """The same without anything that a client noted in them."""
    return [{"value": m["value"], "key": m["key"], "callback": m["callback"]} for m in messages]


def test_what_the_client_raises_is_told_of_all() -> None:
    def produce_batch(topic: str, messages: Any) -> int:
        raise KafkaException(KafkaError(KafkaError._INVALID_ARG))

    refused, room = hand_over(produce_batch, "t", plain(3))

    assert (room, {error.code for error in refused.values()}, len(refused)) == (3, {"_INVALID_ARG"}, 3)

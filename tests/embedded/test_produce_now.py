"""What is produced arrives as it was given, and every outcome is known to whoever asks."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import override_settings

from kafka_integration import (
    BatchProduceError,
    InvalidMessageError,
    Message,
    ProduceError,
    ProduceTimeoutError,
    produce,
    produce_batch,
    produce_sync,
)
from kafka_integration.client.producers.registry import producers
from kafka_integration.client.transports.embedded import EmbeddedBroker
from kafka_integration.errors import BrokerUnavailableError, DeliveryError
from kafka_integration.producing import produce as producing
from kafka_integration.testing.embedding import EmbeddedKafka
from tests.waiting import wait_for

numbers = itertools.count()
NOBODY = "127.0.0.1:1"


def settings_for(servers: str, **producer: Any) -> dict[str, Any]:
    return {"endpoints": [servers], "producer": {"shutdown_grace_seconds": 0, **producer}}


@pytest.fixture
def topic(shared_broker: EmbeddedBroker) -> str:
    name = f"produced-{next(numbers)}"
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


def test_a_message_arrives_with_key_value_headers_partition_and_time(topic: str, consume: Any) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)

    metadata = produce_sync(
        topic, {"q": "Käse"}, key=42, headers=[("a", "1"), ("a", b"\xff"), ("b", None)], partition=2, timestamp=at
    )

    (message,) = consume(topic)
    assert (metadata.topic, metadata.partition, metadata.offset) == (topic, 2, 0)
    assert metadata.timestamp == message.timestamp == at
    assert (message.partition, message.offset) == (2, 0)
    assert message.key_bytes == b"42"
    assert message.value_bytes == '{"q": "Käse"}'.encode()
    assert message.headers == [("a", b"1"), ("a", b"\xff"), ("b", None)]


def test_null_and_empty_stay_different(topic: str, consume: Any) -> None:
    for key, value in [(None, None), ("", ""), (b"", None), (None, b"")]:
        produce_sync(topic, value, key=key, partition=0)

    messages = consume(topic, 4)

    assert [(message.key_bytes, message.value_bytes) for message in messages] == [
        (None, None),
        (b"", b""),
        (b"", None),
        (None, b""),
    ]


def test_thousands_of_messages_are_all_delivered_in_order(topic: str, consume: Any) -> None:
    deliveries = [produce(topic, str(number), key="k") for number in range(5000)]

    offsets = [delivery.result(30).offset for delivery in deliveries]

    assert offsets == list(range(5000))
    assert [message.value for message in consume(topic, 5000)] == [str(number) for number in range(5000)]


def test_a_delivery_tells_when_it_is_done(topic: str) -> None:
    told = threading.Event()

    delivery = produce(topic, "x")
    delivery.add_done_callback(lambda done: told.set() if done is delivery and done.done() else None)

    assert told.wait(10)
    assert delivery.exception(0) is None
    assert "done" in repr(delivery)
    late: list[object] = []
    delivery.add_done_callback(late.append)
    assert late == [delivery]


def test_a_callback_that_raises_is_logged_without_its_text_and_stops_nothing(
    topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = produce(topic, "x")
    delivery.add_done_callback(lambda _: {}["4111"])

    assert delivery.result(10)
    assert produce_sync(topic, "y")
    wait_for(lambda: "KeyError at " in caplog.text)
    assert "4111" not in caplog.text


def test_a_callback_may_produce_and_wait_even_with_a_full_queue(topic: str, shared_broker: EmbeddedBroker) -> None:
    config = {"queue.buffering.max.messages": 5, "linger.ms": 0}
    answered: list[object] = []

    def answer(_: object) -> None:
        answered.append(produce_sync(topic, "answer", partition=1, timeout=20).partition)

    with override_settings(KAFKA=settings_for(shared_broker.servers, config=config)):
        for number in range(200):
            produce(topic, str(number)).add_done_callback(answer)
        wait_for(lambda: len(answered) == 200, timeout=30)

    assert set(answered) == {1}


def test_many_threads_may_wait_for_one_delivery(topic: str) -> None:
    delivery = produce(topic, "x")
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(delivery.result(10))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(found) == 8
    assert len(set(map(repr, found))) == 1


def test_a_partition_that_is_not_there_is_refused(topic: str) -> None:
    with pytest.raises(InvalidMessageError, match="no partition 4, only 0 to 3"):
        produce(topic, "x", partition=4)

    assert produce_sync(topic, "x", partition=3).partition == 3


def test_many_messages_that_nobody_waits_for_are_told_of_all_the_same(topic: str) -> None:
    told: list[Any] = []

    for number in range(2000):
        produce(topic, str(number), key="k").add_done_callback(told.append)

    wait_for(lambda: len(told) == 2000)
    # The embedded broker takes a batch that was sent again behind those that followed it, which a real one refuses.
    assert sorted(delivery.result(0).offset for delivery in told) == [*range(2000)]


def test_a_batch_returns_where_each_went(topic: str, consume: Any) -> None:
    results = produce_batch(
        topic, [("k1", "v1"), ("k2", {"v": 2}), {"key": "k3", "value": None, "headers": {"h": "1"}, "partition": 1}]
    )

    assert [result.topic for result in results] == [topic] * 3
    assert results[2].partition == 1
    by_key = {message.key: message for message in consume(topic, 3)}
    assert by_key["k1"].partition == results[0].partition
    assert by_key["k2"].json() == {"v": 2}
    assert by_key["k3"].headers == [("h", b"1")]


def test_a_batch_sends_the_rest_and_says_which_failed(topic: str, consume: Any) -> None:
    with pytest.raises(BatchProduceError) as raised:
        produce_batch(topic, [("k", "good"), ("k", object()), ("k", "x" * 1_000_001), ("k", "good too")])

    assert sorted(raised.value.failed) == [1, 2]
    assert "2 of 4" in str(raised.value)
    assert not raised.value.may_still_arrive
    assert [message.value for message in consume(topic, 2)] == ["good", "good too"]


def test_an_empty_batch_is_nothing(topic: str) -> None:
    assert produce_batch(topic, []) == []


def test_without_a_broker_the_outcome_is_unknown_and_the_reason_known() -> None:
    with override_settings(KAFKA=settings_for(NOBODY)), pytest.raises(ProduceTimeoutError) as raised:
        produce_sync("anywhere", "x", timeout=1.5)

    assert raised.value.may_still_arrive
    assert isinstance(raised.value.__cause__, BrokerUnavailableError)
    assert NOBODY in str(raised.value)
    assert isinstance(raised.value, TimeoutError)


def test_a_batch_without_a_broker_looks_for_the_reason_once() -> None:
    with override_settings(KAFKA=settings_for(NOBODY)), pytest.raises(BatchProduceError) as raised:
        produce_batch("anywhere", [("k", "v")] * 500, timeout=1.5)

    assert len(raised.value.failed) == 500
    assert raised.value.may_still_arrive


def test_an_unknown_topic_is_named_when_the_time_is_over() -> None:
    with pytest.raises(ProduceTimeoutError, match=r"topic not-there: .*does not exist"):
        produce_sync("not-there", "x", key="k", timeout=0.5)


def test_an_unknown_topic_and_no_key_look_like_kaffes_call() -> None:
    with pytest.raises(ProduceTimeoutError, match="Kaffe"):
        produce_sync("Metamorphosis", "Franz Kafka", timeout=0.5)


def test_a_topic_that_is_just_being_created_is_waited_for(shared_broker: EmbeddedBroker) -> None:
    name = f"soon-{next(numbers)}"
    creating = threading.Timer(1.0, shared_broker.create_topics, [[name]])
    creating.start()

    metadata = produce_sync(name, "x", timeout=20)
    elsewhere = produce_sync(name, "y", partition=1, timeout=20)

    creating.join()
    assert metadata.topic == name
    assert elsewhere.partition == 1


def test_a_partition_of_a_topic_that_is_just_being_created_is_waited_for(shared_broker: EmbeddedBroker) -> None:
    name = f"soon-{next(numbers)}"
    creating = threading.Timer(0.7, shared_broker.create_topics, [[name]])
    creating.start()

    assert produce_sync(name, "x", partition=3, timeout=20).partition == 3

    creating.join()


def test_a_full_queue_makes_room_instead_of_failing(topic: str, shared_broker: EmbeddedBroker) -> None:
    config = {"queue.buffering.max.messages": 10, "linger.ms": 0}
    with override_settings(KAFKA=settings_for(shared_broker.servers, config=config)):
        deliveries = [produce(topic, str(number)) for number in range(500)]

        assert all(delivery.result(20) for delivery in deliveries)


def test_a_queue_that_stays_full_fails_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producing, "QUEUE_SECONDS", 0.5)
    config = {"queue.buffering.max.messages": 3}
    with override_settings(KAFKA=settings_for(NOBODY, config=config)):
        for _ in range(3):
            produce("anywhere", "x")

        with pytest.raises(DeliveryError, match=r"stayed full for 0.5 s \(\d messages wait\).*" + NOBODY) as raised:
            produce("anywhere", "x")

    assert raised.value.retriable
    assert not raised.value.may_still_arrive


LARGE_PARTS: dict[str, dict[str, Any]] = {
    "a key": {"key": b"x" * 100_000},
    "a header": {"headers": {"large": b"x" * 100_000}},
    "many headers": {"headers": [("small", b"x" * 10)] * 600},
}


@pytest.mark.parametrize("what", LARGE_PARTS)
def test_keys_and_headers_fill_a_queue_as_values_do(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producing, "QUEUE_SECONDS", 0.2)
    config = {"queue.buffering.max.kbytes": 1024}
    with override_settings(KAFKA=settings_for(NOBODY, config=config)):
        for _ in range(10):
            produce("anywhere", "x", **LARGE_PARTS[what])

        with pytest.raises(DeliveryError, match=r"stayed full for 0.2 s \(10 messages wait\)") as raised:
            produce("anywhere", "x", **LARGE_PARTS[what])

    assert raised.value.retriable
    assert not raised.value.may_still_arrive


def test_keys_and_headers_make_room_when_they_are_delivered(topic: str, shared_broker: EmbeddedBroker) -> None:
    config = {"queue.buffering.max.kbytes": 256, "linger.ms": 0}
    with override_settings(KAFKA=settings_for(shared_broker.servers, config=config)):
        deliveries = [produce(topic, "x", key=b"x" * 50_000, headers={"large": b"x" * 50_000}) for _ in range(50)]

        assert all(delivery.result(20) for delivery in deliveries)


def test_a_header_larger_than_the_queue_has_it_for_itself(topic: str, shared_broker: EmbeddedBroker) -> None:
    config = {"queue.buffering.max.kbytes": 64}
    with override_settings(KAFKA=settings_for(shared_broker.servers, config=config)):
        delivery = produce(topic, "x", headers={"large": b"x" * 100_000})

        assert delivery.result(20)


def test_a_loss_that_nobody_waits_for_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with override_settings(KAFKA=settings_for(NOBODY, config={"message.timeout.ms": 300})):
        for _ in range(20):
            produce("anywhere", "s3cret-payload")
        wait_for(lambda: "topic anywhere" in caplog.text)
        (lost,) = [record for record in caplog.records if "topic anywhere" in record.getMessage()]

    assert lost.levelno == logging.ERROR
    assert "s3cret" not in caplog.text


def test_a_message_the_client_gives_up_may_still_arrive() -> None:
    with override_settings(KAFKA=settings_for(NOBODY, config={"message.timeout.ms": 300})):
        error = produce("anywhere", "x").exception(10)

    assert isinstance(error, ProduceTimeoutError)


def test_what_is_purged_at_a_change_of_settings_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    with override_settings(KAFKA=settings_for(NOBODY)):
        delivery = produce("anywhere", "x")

    error = delivery.exception(10)
    assert isinstance(error, ProduceError)
    assert "1 message(s) were not confirmed" in caplog.text


def test_changed_settings_take_effect_at_once(topic: str, own_broker: EmbeddedBroker, consume: Any) -> None:
    produce_sync(topic, "there")
    own_broker.create_topics([topic])

    with override_settings(KAFKA=settings_for(own_broker.servers)):
        produce_sync(topic, "elsewhere")
    produce_sync(topic, "there again")

    assert [m.value for m in EmbeddedKafka(own_broker).consume(topic)] == ["elsewhere"]
    assert sorted(m.value for m in consume(topic, 2)) == ["there", "there again"]


def test_the_memory_transport_delivers_before_the_call_returns() -> None:
    with override_settings(KAFKA={"endpoints": "memory"}):
        delivery = produce("in-memory", {"a": 1}, key="k")

        assert delivery.done()
        assert delivery.result(0).offset == 0
        assert produce_sync("in-memory", "x", partition=3).partition == 3
        with pytest.raises(InvalidMessageError, match="no partition 9"):
            produce_sync("in-memory", "x", partition=9)
        with pytest.raises(InvalidMessageError, match=r"message\.max\.bytes"):
            produce("in-memory", b"x" * 1_000_001)


def test_the_first_message_that_is_waited_for_does_not_wait_for_linger_ms(
    topic: str, shared_broker: EmbeddedBroker
) -> None:
    with override_settings(KAFKA=settings_for(shared_broker.servers, linger_ms=60_000)):
        assert produce_sync(topic, "x", timeout=10).topic == topic

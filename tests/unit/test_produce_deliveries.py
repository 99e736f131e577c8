"""The parts of producing on their own: deliveries, the producers of a process, partition counts."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, KafkaError, KafkaException, Message
from django.test import override_settings

from kafka_integration.client.log.client_log import ClientLog
from kafka_integration.client.metadata import partition_counts
from kafka_integration.client.metadata.partition_counts import PartitionCounts
from kafka_integration.client.producers import producer as producer_module
from kafka_integration.client.producers import registry as producer_registry
from kafka_integration.client.producers.producer import Producer, alive_producers
from kafka_integration.client.producers.registry import ProducerRegistry, open_producer, producers
from kafka_integration.conf.values import Connection, ProducerSettings
from kafka_integration.errors import (
    AccessDeniedError,
    BrokerError,
    DeliveryDeniedError,
    DeliveryError,
    ProduceTimeoutError,
)
from kafka_integration.producing.delivery import Delivery
from kafka_integration.producing.sender import DefaultSender
from tests.waiting import wait_for

DELIVERED = Message(topic="t", partition=1, offset=7, timestamp=(TIMESTAMP_CREATE_TIME, 1000))
NOWHERE = ProducerSettings(connection=Connection(servers=("127.0.0.1:1",)), shutdown_grace_seconds=0)


class Metadata:
    """What list_topics() answers, one answer after the other and the last for ever."""

    def __init__(self, *answers: int | KafkaError | KafkaException) -> None:
        self.answers = list(answers)
        self.asked = 0

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, KafkaException):
            raise answer
        error = answer if isinstance(answer, KafkaError) else None
        partitions = {} if error else {number: object() for number in range(int(answer))}  # type: ignore[call-overload]
        return SimpleNamespace(topics={topic: SimpleNamespace(error=error, partitions=partitions)})


class Client(Metadata):
    """A producer that keeps what it is given, until told what became of it."""

    def __init__(self, *answers: int | KafkaError) -> None:
        super().__init__(*(answers or (4,)))
        self.sent: list[dict[str, Any]] = []
        self.closed = False

    def produce(self, topic: str, **message: Any) -> None:
        self.sent.append(message)

    def settle(self, error: KafkaError | None = None) -> None:
        for message in self.sent:
            message["on_delivery"](error, DELIVERED)
        self.sent.clear()

    def poll(self, timeout: float = -1) -> int:
        return 0

    def flush(self, timeout: float = -1) -> int:
        return len(self.sent)

    def purge(self) -> None:
        self.settle(KafkaError(KafkaError._PURGE_QUEUE))

    def close(self) -> bool:
        self.closed = True
        return True

    def __len__(self) -> int:
        return len(self.sent)


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def producer(client: Client) -> Iterator[Producer]:
    producer = Producer(client, log=ClientLog("producer", {}), polls=False)
    yield producer
    producer.close(0)


@pytest.fixture
def send(producer: Producer) -> Callable[[], Delivery]:
    def send() -> Delivery:
        delivery = Delivery("t", producer, 0)
        producer.send("t", b"v", b"k", -1, delivery, 0, None, 1.0)
        return delivery

    return send


@pytest.fixture
def registry() -> Iterator[ProducerRegistry]:
    registry = ProducerRegistry()
    yield registry
    registry.close(0)


def test_a_delivery_is_done_when_the_client_says_so(send: Any, client: Client) -> None:
    delivery = send()
    assert not delivery.done()
    assert "under way" in repr(delivery)

    client.settle()

    result = delivery.result(0)
    assert (result.topic, result.partition, result.offset, result.ts) == ("t", 1, 7, 1000)


def test_waiting_ends_with_an_unknown_outcome(send: Any) -> None:
    delivery = send()

    with pytest.raises(ProduceTimeoutError, match=r"topic t: the message was not confirmed within 0.01 s") as late:
        delivery.result(0.01)
    with pytest.raises(ProduceTimeoutError):
        delivery.exception(0)

    assert late.value.may_still_arrive
    assert late.value.retriable


def test_a_delivery_that_comes_after_the_time_is_over_still_counts(send: Any, client: Client) -> None:
    delivery = send()
    with pytest.raises(ProduceTimeoutError):
        delivery.result(0)

    client.settle()

    assert delivery.result(0).offset == 7


@pytest.mark.parametrize(
    ("code", "kind", "may_still_arrive", "retriable"),
    [
        ("_MSG_TIMED_OUT", ProduceTimeoutError, True, True),
        ("MSG_SIZE_TOO_LARGE", DeliveryError, False, False),
        ("_UNKNOWN_TOPIC", DeliveryError, False, True),
        ("NOT_ENOUGH_REPLICAS", DeliveryError, False, True),
        ("NOT_ENOUGH_REPLICAS_AFTER_APPEND", DeliveryError, True, True),
        ("_PURGE_QUEUE", DeliveryError, False, False),
        ("_PURGE_INFLIGHT", DeliveryError, True, False),
        ("TOPIC_AUTHORIZATION_FAILED", DeliveryDeniedError, False, False),
    ],
)
def test_a_failed_delivery_says_whether_that_is_certain(
    send: Any, client: Client, code: str, kind: type[Exception], may_still_arrive: bool, retriable: bool
) -> None:
    delivery = send()

    client.settle(KafkaError(getattr(KafkaError, code)))

    error = delivery.exception(0)
    assert type(error) is kind
    assert (error.may_still_arrive, error.retriable) == (may_still_arrive, retriable)
    with pytest.raises(kind):
        delivery.result(0)


def test_a_refusal_is_the_reason_why_nothing_was_confirmed(send: Any, producer: Producer) -> None:
    producer.log.on_error(KafkaError(KafkaError._AUTHENTICATION, "Invalid username or password"))

    with pytest.raises(AccessDeniedError) as denied:
        send().result(0)

    assert isinstance(denied.value, DeliveryDeniedError)
    assert denied.value.may_still_arrive


def test_each_callback_runs_once_however_the_threads_meet(producer: Producer) -> None:
    called: list[int] = []
    for number in range(300):
        delivery = Delivery("t", producer, 0)
        start = threading.Barrier(3)

        def settle(delivery: Delivery = delivery, start: threading.Barrier = start) -> None:
            start.wait()
            delivery(None, DELIVERED)

        def add(delivery: Delivery = delivery, start: threading.Barrier = start, number: int = number) -> None:
            start.wait()
            delivery.add_done_callback(lambda _: called.append(number))

        threads = [threading.Thread(target=target) for target in (settle, add, add)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        producer.flush(0)

    assert sorted(called) == sorted([*range(300), *range(300)])


def test_callbacks_that_produce_do_not_pile_up(
    send: Any, producer: Producer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Delivery] = []
    for _ in range(5000):
        send().add_done_callback(lambda _: answers.append(send()))
    client.settle()
    # Each answer polls, and could run the next callback in there.
    monkeypatch.setattr(producer_module, "SENDS_BETWEEN_POLLS", 1)

    producer.flush(0)

    assert len(answers) == 5000


def test_losses_that_nobody_waits_for_are_counted_in_one_line(
    send: Any, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(50):
        send()
    client.settle(KafkaError(KafkaError._UNKNOWN_TOPIC))

    assert len([line for line in caplog.messages if "topic t" in line]) == 1


def test_a_loss_that_somebody_waits_for_is_theirs_to_handle(
    send: Any, producer: Producer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[object] = []
    delivery = send()
    delivery.add_done_callback(lambda done: seen.append(done.exception(0)))

    client.settle(KafkaError(KafkaError._UNKNOWN_TOPIC))
    producer.flush(0)

    assert isinstance(seen[0], DeliveryError)
    assert caplog.messages == []


def test_closing_reports_what_is_left_and_settles_it(
    send: Any, producer: Producer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    deliveries = [send(), send()]

    assert producer.close(0) == 2

    assert client.closed
    assert "2 message(s) were not confirmed within 0 s" in caplog.text
    assert all(isinstance(delivery.exception(0), DeliveryError) for delivery in deliveries)


def test_a_process_has_one_producer_for_a_configuration(registry: ProducerRegistry) -> None:
    first = registry.get(NOWHERE)

    assert registry.get(NOWHERE) is first
    assert registry.get(ProducerSettings(connection=NOWHERE.connection, linger_ms=1)) is not first


def test_a_signal_handler_may_produce_while_its_thread_makes_the_producer(
    registry: ProducerRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Producer] = []

    def open_interrupted(*args: Any, **options: Any) -> Producer:
        if not found:
            found.append(opened := open_producer(*args, **options))
            # What a handler of a signal does, between two steps of the thread that it interrupts.
            found.append(registry.get(NOWHERE))
            return opened
        return open_producer(*args, **options)

    monkeypatch.setattr(producer_registry, "open_producer", open_interrupted)
    thread = threading.Thread(target=lambda: found.append(registry.get(NOWHERE)), daemon=True)
    thread.start()
    thread.join(10)

    assert not thread.is_alive()
    surplus, of_the_handler, of_the_thread = found
    assert of_the_thread is of_the_handler
    assert surplus.retired


def test_threads_that_ask_at_once_get_the_same_producer(registry: ProducerRegistry) -> None:
    start = threading.Barrier(8)
    found: list[Producer] = []

    def ask() -> None:
        start.wait()
        found.append(registry.get(NOWHERE))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_a_producer_with_a_fatal_error_is_replaced(registry: ProducerRegistry) -> None:
    first = registry.get(NOWHERE)
    first.log.on_error(KafkaError(KafkaError._FATAL, "out of order", True))

    second = registry.get(NOWHERE)

    assert second is not first
    assert first.retired


def test_a_closed_registry_leaves_no_thread_behind(registry: ProducerRegistry) -> None:
    before = threading.active_count()
    registry.get(NOWHERE)

    registry.close(0)

    wait_for(lambda: threading.active_count() == before)
    assert not any(producer.retired for producer in alive_producers)


def test_the_default_sender_notices_that_its_producer_was_replaced() -> None:
    senders = DefaultSender()
    with override_settings(KAFKA={"endpoints": ["127.0.0.1:1"]}):
        first = senders.get()
        assert senders.get() is first
    with override_settings(KAFKA={"endpoints": ["127.0.0.1:2"]}):
        assert senders.get() is not first
    producers.close(0)


def test_properties_that_the_client_refuses_are_a_broker_error() -> None:
    settings = ProducerSettings(connection=Connection(servers=("x",), config={"acks": "many"}))  # type: ignore[arg-type]

    with pytest.raises(BrokerError, match="acks"):
        open_producer(settings)


def test_partitions_are_asked_for_once() -> None:
    source = Metadata(4)
    counts = PartitionCounts(source, ClientLog("producer", {}))

    assert [counts.get("t", 1), counts.get("t", 1), counts.get("other", 1)] == [4, 4, 4]
    assert source.asked == 2


def test_partitions_are_asked_for_again_before_one_is_denied() -> None:
    source = Metadata(4, 6)
    counts = PartitionCounts(source, ClientLog("producer", {}))

    assert counts.covers("t", 3, 1)
    assert counts.covers("t", 5, 1)
    assert not counts.covers("t", 6, 1)


def test_partitions_that_were_asked_for_long_ago_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Metadata(4, 6)
    counts = PartitionCounts(source, ClientLog("producer", {}))
    counts.get("t", 1)

    monkeypatch.setattr(partition_counts, "FRESH_SECONDS", 0.0)

    assert counts.get("t", 1) == 6


def test_what_was_known_last_is_good_enough_while_kafka_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Metadata(4, KafkaException(KafkaError(KafkaError._TRANSPORT)))
    counts = PartitionCounts(source, ClientLog("producer", {}))
    counts.get("t", 1)

    monkeypatch.setattr(partition_counts, "FRESH_SECONDS", 0.0)

    assert counts.get("t", 0.01) == 4


def test_a_topic_that_is_just_being_created_is_asked_for_again_within_the_timeout() -> None:
    source = Metadata(KafkaError(KafkaError.LEADER_NOT_AVAILABLE), KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART), 0, 4)
    counts = PartitionCounts(source, ClientLog("producer", {}))

    assert counts.get("t", 5) == 4
    assert source.asked == 4


NO_BROKER = KafkaException(KafkaError(KafkaError._TRANSPORT))


def test_while_no_broker_answers_one_waits_for_all_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_counts, "LOOK_AGAIN_SECONDS", 0.3)
    source = Metadata(NO_BROKER)
    counts = PartitionCounts(source, ClientLog("producer", {}))
    with pytest.raises(BrokerError):
        counts.get("t", 0.3)
    asked = source.asked

    for topic in ("t", "other", "t"):
        with pytest.raises(BrokerError):
            counts.get(topic, 10)
    with pytest.raises(BrokerError):
        counts.covers("t", 7, 10)

    assert source.asked == asked


def test_a_topic_that_was_waited_for_in_vain_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_counts, "LOOK_AGAIN_SECONDS", 0.3)
    source = Metadata(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
    counts = PartitionCounts(source, ClientLog("producer", {}))
    with pytest.raises(BrokerError):
        counts.get("not-there", 0.3)
    asked = source.asked

    with pytest.raises(BrokerError, match="topic not-there"):
        counts.get("not-there", 10)

    assert source.asked == asked
    source.answers = [4]
    assert counts.get("there", 10) == 4


def test_after_a_while_one_looks_again_but_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_counts, "LOOK_AGAIN_SECONDS", 0.3)
    monkeypatch.setattr(partition_counts, "UNANSWERED_SECONDS", 0.0)
    source = Metadata(NO_BROKER)
    counts = PartitionCounts(source, ClientLog("producer", {}))
    for timeout in (0.3, 60):
        with pytest.raises(BrokerError):
            counts.get("t", timeout)
    source.answers = [4]

    assert counts.get("t", 60) == 4
    assert counts.get("other", 60) == 4


def test_a_broker_that_is_back_is_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_counts, "LOOK_AGAIN_SECONDS", 0.3)
    log = ClientLog("producer", {})
    log.on_error(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    source = Metadata(NO_BROKER)
    counts = PartitionCounts(source, log)
    with pytest.raises(BrokerError):
        counts.get("t", 0.3)
    source.answers = [4]

    log.reached()

    assert counts.get("t", 10) == 4


def test_a_topic_we_may_not_see_is_not_asked_for_twice() -> None:
    source = Metadata(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    counts = PartitionCounts(source, ClientLog("producer", {}))

    with pytest.raises(AccessDeniedError, match="topic t"):
        counts.get("t", 5)

    assert source.asked == 1


def test_a_producer_of_another_process_is_not_used(registry: ProducerRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    first = registry.get(NOWHERE)

    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        assert registry.get(NOWHERE) is not first
        registry.close(0)

    first.close(0)


def test_what_the_client_did_not_take_fills_no_queue() -> None:
    class Refusing(Client):
        def produce(self, topic: str, **message: Any) -> None:
            super().produce(topic, **message)
            raise ValueError("refused after it was sent")

    client = Refusing()
    producer = Producer(client, log=ClientLog("producer", {}), polls=False, max_queued_bytes=10_000)
    large = [("large", b"x" * 6000)]
    for _ in range(3):
        with pytest.raises(BrokerError, match="raised ValueError"):
            producer.send("t", b"v", None, -1, lambda *_: None, 0, large, 0)

    client.settle()

    with pytest.raises(BrokerError, match="raised ValueError"):
        producer.send("t", b"v", None, -1, lambda *_: None, 0, large, 0)
    producer.close(0)


def test_the_reason_for_a_full_queue_is_given(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    class Full(Client):
        def produce(self, topic: str, **message: Any) -> None:
            raise BufferError("Local: Queue full")

    producer = Producer(Full(), log=ClientLog("producer", {}), polls=False)
    producer.log.on_error(KafkaError(KafkaError._TRANSPORT, "127.0.0.1:1/1: Connection refused"))
    producer.log.on_error(KafkaError(KafkaError._ALL_BROKERS_DOWN))

    with pytest.raises(BrokerError, match=r"stayed full for 0 s .*Connection refused") as full:
        producer.send("t", b"v", None, -1, lambda *_: None, 0, None, 0)

    assert (full.value.code, full.value.retriable) == ("_QUEUE_FULL", True)
    producer.close(0)

"""What became of a message: deliveries, on a client that a test answers for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError

from kafka_integration.client.log.client_log import ClientLog
from kafka_integration.client.producers import queueing
from kafka_integration.client.producers.producer import Producer
from kafka_integration.errors import (
    AccessDeniedError,
    BrokerError,
    DeliveryDeniedError,
    DeliveryError,
    ProduceTimeoutError,
)
from kafka_integration.producing.delivery import Delivery
from tests.unit.producer_clients import DELIVERED, Client


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
    monkeypatch.setattr(queueing, "SENDS_BETWEEN_POLLS", 1)

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


def test_a_full_queue_is_waited_for_no_longer_than_there_is_time() -> None:
    """Else each message of a batch would add a moment to a call whose time is over."""
    waited: list[float] = []

    class Full(Client):
        def produce(self, topic: str, **message: Any) -> None:
            raise BufferError("Local: Queue full")

        def poll(self, timeout: float = -1) -> int:
            waited.append(timeout)
            return 0

    producer = Producer(Full(), log=ClientLog("producer", {}), polls=False)

    with pytest.raises(BrokerError, match="stayed full"):
        producer.send("t", b"v", None, -1, lambda *_: None, 0, None, 0)

    assert not any(waited)
    producer.close(0)


def test_a_log_that_produces_inside_a_callback_does_not_call_the_client_there(
    send: Any, client: Client, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """confluent-kafka ends the process at the callback after such a call."""
    depths, outcomes = [0], []

    def poll(timeout: float = -1) -> int:
        depths.append(depths[-1] + 1)
        if depths[-1] == 1:
            client.settle(KafkaError(KafkaError._MSG_TIMED_OUT))
        depths.append(depths[-1] - 1)
        return 0

    class Shipping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            outcomes.extend(send() for _ in range(queueing.SENDS_BETWEEN_POLLS))
            with pytest.raises(ProduceTimeoutError):
                outcomes[-1].result(0.01)

    for name in ("poll", "flush"):
        monkeypatch.setattr(client, name, poll)
    monkeypatch.setattr(producer._serving, "_poll", poll)
    send()
    handler = Shipping()
    logging.getLogger("kafka_integration.client").addHandler(handler)
    try:
        producer.hurry()
    finally:
        logging.getLogger("kafka_integration.client").removeHandler(handler)

    assert len(outcomes) == queueing.SENDS_BETWEEN_POLLS
    assert max(depths) == 1

"""A client that a tracer has wrapped: what it adds leaves, and what it breaks is no message's fault."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from kafka_integration import produce, publish
from kafka_integration.client.producers.registry import producers
from kafka_integration.client.transports.memory import MemoryProducer, memory_broker
from kafka_integration.conf import get_settings
from kafka_integration.errors import DeliveryError
from kafka_integration.models import OutboxMessage
from kafka_integration.outbox.relay import Relay
from tests.unit.scripted_transport import connect

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_transport")]

POSITION_OF_HEADERS = 6
"""Where Datadog's tracer looks for them, if they have no name; there is the timestamp."""
GIVEN: list[tuple[str, bytes | None]] = [("a", b"1"), ("a", None)]

Trace = Callable[[tuple[Any, ...], dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]]


def like_datadog(args: tuple[Any, ...], options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Sets the headers' items, as one does with a dict."""
    if "headers" in options:
        headers = options["headers"] or {}
        options = {**options, "headers": headers}
    else:
        headers = args[POSITION_OF_HEADERS] or {}
        args = (*args[:POSITION_OF_HEADERS], headers, *args[POSITION_OF_HEADERS + 1 :])
    headers["x-trace"] = "42"
    return args, options


def like_opentelemetry(args: tuple[Any, ...], options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Appends to the headers, as one does with a list."""
    headers = options.get("headers")
    headers = [] if headers is None else headers
    headers.append(("x-trace", b"42"))
    return args, {**options, "headers": headers}


def broken(args: tuple[Any, ...], options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    raise TypeError("list indices must be integers or slices, not str")


class Tracer:
    """Wraps every producer that is made."""

    def __init__(self) -> None:
        self.trace: Trace = like_datadog
        self.breaks = "produce"
        self.breaks_after = False

    def wrap(self, properties: Any) -> MemoryProducer:
        tracer = self

        class TracedProducer(MemoryProducer):
            def produce(self, *args: Any, **options: Any) -> None:
                args, options = tracer.trace(args, options) if tracer.breaks == "produce" else (args, options)
                super().produce(*args, **options)
                if tracer.breaks_after:
                    raise TypeError("the span has ended")

            def poll(self, timeout: float = -1) -> int:
                tracer.look("poll")
                return super().poll(timeout)

            def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
                tracer.look("list_topics")
                return super().list_topics(topic, timeout)

        self.look("Producer")
        return TracedProducer(memory_broker(), properties)

    def look(self, name: str) -> None:
        if self.trace is broken and self.breaks == name:
            raise TypeError(name)


@pytest.fixture
def tracer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracer]:
    tracer = Tracer()
    connect(monkeypatch, producer=tracer.wrap)
    producers.close(0)
    yield tracer
    tracer.trace = like_datadog
    producers.close(0)


class Clock:
    """Goes only when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def relay(clock: Clock) -> Iterator[Relay]:
    relay = Relay("default", get_settings(), clock=clock)
    yield relay
    relay.finish()


def turn(relay: Relay, times: int = 6) -> None:
    for _ in range(times):
        relay.turn()


@pytest.mark.parametrize("trace", [like_datadog, like_opentelemetry])
def test_what_a_tracer_adds_leaves_with_the_published_headers(trace: Trace, tracer: Tracer, relay: Relay) -> None:
    tracer.trace = trace
    publish("events", b"1", key="k", headers=GIVEN, timestamp=1_767_312_000_000)

    turn(relay)

    (record,) = memory_broker().records("events")
    assert record.headers[-3:] == (*GIVEN, ("x-trace", b"42"))
    assert (record.key, record.value, record.timestamp_ms) == (b"k", b"1", 1_767_312_000_000)
    assert not OutboxMessage.objects.exists()


@pytest.mark.parametrize("trace", [like_datadog, like_opentelemetry])
@pytest.mark.parametrize("headers", [None, [], GIVEN])
def test_what_a_tracer_adds_leaves_with_the_produced_headers(trace: Trace, headers: Any, tracer: Tracer) -> None:
    tracer.trace = trace

    delivery = produce("events", b"1", key="k", headers=headers, partition=1, timestamp=1_767_312_000_000)

    delivery.result(5)
    (record,) = memory_broker().records("events")
    assert record.headers == (*(headers or ()), ("x-trace", b"42"))
    assert (record.key, record.partition, record.timestamp_ms) == (b"k", 1, 1_767_312_000_000)


@pytest.mark.parametrize("breaks", ["produce", "poll", "list_topics", "Producer"])
def test_a_broken_tracer_holds_back_all_rows_and_refuses_none(
    breaks: str, tracer: Tracer, relay: Relay, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    tracer.trace, tracer.breaks = broken, breaks
    for value in (b"1", b"2", b"3"):
        publish("events", value, key="k")

    turn(relay)

    assert not OutboxMessage.objects.filter(refused_at__isnull=False).exists()
    (said,) = {record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING}
    assert "the Kafka client raised TypeError at" in said
    assert "The relay tries again in 0.5 s." in said
    assert "iscard" not in said

    tracer.trace = like_datadog
    clock.now += 1
    turn(relay, 12)

    assert {record.value for record in memory_broker().records("events")} == {b"1", b"2", b"3"}
    assert not OutboxMessage.objects.exists()


def test_a_message_that_a_tracer_sent_before_it_broke_is_taken_for_sent(tracer: Tracer, relay: Relay) -> None:
    publish("events", b"1", key="k")
    tracer.breaks_after = True

    turn(relay)

    assert [record.value for record in memory_broker().records("events")] == [b"1"]
    assert not OutboxMessage.objects.exists()


@pytest.mark.parametrize("breaks", ["produce", "list_topics"])
def test_what_a_broken_tracer_raises_in_produce_is_an_error_of_ours(breaks: str, tracer: Tracer) -> None:
    tracer.trace, tracer.breaks = broken, breaks

    with pytest.raises(
        DeliveryError, match=r"topic events: the Kafka client raised TypeError at .* \(a tracer\?\)"
    ) as info:
        produce("events", b"1", headers=GIVEN, partition=0)

    assert info.value.retriable


@pytest.mark.parametrize("headers", [{"ce_id": "x"}, [["name"]], [["name", {"hex": "00"}]], "text", 5])
def test_a_row_that_nobody_could_send_is_refused_whether_or_not_a_tracer_is_there(
    headers: Any, tracer: Tracer, relay: Relay
) -> None:
    OutboxMessage.objects.create(topic="events", key=b"a", value=b"1", headers=headers)
    publish("events", b"2", key="b")

    turn(relay)

    assert [record.value for record in memory_broker().records("events")] == [b"2"]
    assert "none that publish() writes" in OutboxMessage.objects.get().refusal
    assert "Discard" not in OutboxMessage.objects.get().refusal


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps no text in a column of bytes")
def test_a_text_in_a_column_of_bytes_is_sent_as_bytes(tracer: Tracer, relay: Relay) -> None:
    publish("events", b"1", key="k")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE kafka_integration_outboxmessage SET key = 'ü', value = 'text'")

    turn(relay)

    (record,) = memory_broker().records("events")
    assert (record.key, record.value) == ("ü".encode(), b"text")

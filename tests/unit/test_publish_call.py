"""``publish``: what the outbox row holds, whose transaction it is in, and what is refused at the call."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from django.db import DatabaseError, NotSupportedError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils.translation import gettext_lazy

from kafka_integration import InvalidMessageError, publish
from kafka_integration.headers import load_headers
from kafka_integration.models import OutboxMessage, RelayLease
from kafka_integration.outbox.unattended import UnattendedOutboxes

pytestmark = pytest.mark.usefixtures("shop")


def only_row() -> OutboxMessage:
    return OutboxMessage.objects.get()


def headers_of(row: OutboxMessage) -> list[tuple[str, bytes | None]]:
    return load_headers(row.headers)


def test_key_and_value_are_written_as_produce_writes_them() -> None:
    publish("orders", {"id": 7}, key=7)

    row = only_row()
    assert (row.topic, bytes(row.key), json.loads(bytes(row.value))) == ("orders", b"7", {"id": 7})
    assert (row.partition, row.timestamp_ms, row.refused_at) == (None, None, None)


def test_a_tombstone_and_a_null_key_stay_null() -> None:
    publish("orders", None)

    assert (only_row().key, only_row().value) == (None, None)


def test_an_empty_value_and_an_empty_key_stay_empty() -> None:
    publish("orders", "", key=b"")

    assert (bytes(only_row().key), bytes(only_row().value)) == (b"", b"")


def test_it_carries_cloudevents_headers() -> None:
    event_id = publish("orders", "x")

    headers = dict(headers_of(only_row()))
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_type"] == b"orders"
    assert headers["ce_source"] == b"/shop"
    assert headers["ce_id"] == event_id.encode()
    assert uuid.UUID(event_id)
    age = datetime.now(UTC) - datetime.fromisoformat((headers["ce_time"] or b"").decode())
    assert abs(age.total_seconds()) < 60


def test_without_a_configured_source_it_is_the_project(settings: Any) -> None:
    settings.KAFKA = {"endpoints": "memory"}

    publish("orders", "x")

    assert dict(headers_of(only_row()))["ce_source"] == b"/activitylog"


def test_each_event_has_an_id_of_its_own() -> None:
    assert len({publish("orders", "x") for _ in range(10)}) == 10


def test_headers_of_the_caller_are_kept_in_order_with_their_repeats() -> None:
    given = [("trace", b"\xff"), ("trace", "1"), ("nothing", None), ("nul", b"\0")]

    publish("orders", "x", headers=given)

    assert headers_of(only_row())[-4:] == [("trace", b"\xff"), ("trace", b"1"), ("nothing", None), ("nul", b"\0")]


def test_the_callers_own_event_id_and_type_win() -> None:
    event_id = publish("orders", "x", headers={"ce_id": "order-7", "ce_type": "shop.paid"})

    headers = headers_of(only_row())
    assert event_id == "order-7"
    assert [value for name, value in headers if name in ("ce_id", "ce_type")] == [b"order-7", b"shop.paid"]


def test_partition_and_timestamp_are_kept() -> None:
    publish("orders", "x", partition=3, timestamp=datetime(2026, 1, 2, tzinfo=UTC))

    assert (only_row().partition, only_row().timestamp_ms) == (3, 1_767_312_000_000)


@pytest.mark.parametrize("topic", ["", "a b", "..", "ü", "x" * 250, "a\0b", None, 7])
def test_a_topic_that_kafka_does_not_take_is_refused(topic: Any) -> None:
    with pytest.raises(InvalidMessageError, match="topic"):
        publish(topic, "x")

    assert not OutboxMessage.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"value": object()}, "can't be written as JSON"),
        ({"value": {1: "a"}}, "JSON keys are strings"),
        ({"value": float("nan")}, "JSON"),
        ({"value": "\ud800"}, "lone surrogate"),
        ({"value": "x" * 1_000_001}, "over message.max.bytes"),
        ({"value": "x", "headers": {"big": "h" * 1_000_000}}, "over message.max.bytes"),
        ({"value": "x", "headers": {"n": 1}}, "int"),
        ({"value": "x", "headers": {"ce_id": ""}}, "ce_id is empty"),
        ({"value": "x", "key": True}, "bool"),
        ({"value": "x", "partition": -1}, "no partition -1"),
        ({"value": "x", "partition": "1"}, "str"),
        ({"value": "x", "timestamp": -1}, "timestamp"),
        ({"value": "x", "timestamp": datetime(2026, 1, 1)}, "naive"),  # noqa: DTZ001 - that is the point
    ],
)
def test_what_kafka_could_not_take_is_refused_at_the_call(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidMessageError, match=complaint):
        publish("orders", **arguments)

    assert not OutboxMessage.objects.exists()


def test_a_topic_outside_the_configured_ones_is_refused(settings: Any) -> None:
    settings.KAFKA = {"endpoints": "memory", "producer": {"topics": ["orders"]}}

    with pytest.raises(InvalidMessageError, match="allow_any_topic"):
        publish("customers", "x")


def test_the_configured_serializers_write_it(settings: Any) -> None:
    settings.KAFKA = {"endpoints": "memory", "producer": {"value_serializer": "json"}}

    publish("orders", "text")

    assert bytes(only_row().value) == b'"text"'


def test_a_database_that_no_relay_reads_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "vendor", "mysql")

    with pytest.raises(NotSupportedError, match="is mysql: the outbox is relayed from PostgreSQL and SQLite"):
        publish("orders", "1")

    assert not OutboxMessage.objects.exists()


def test_a_row_goes_with_its_savepoint() -> None:
    publish("orders", "before")
    savepoint = connection.savepoint()
    publish("orders", "inside")
    connection.savepoint_rollback(savepoint)
    publish("orders", "after")

    assert [bytes(row.value) for row in OutboxMessage.objects.order_by("id")] == [b"before", b"after"]


@pytest.mark.parametrize(
    ("value", "serializer", "content_type"),
    [
        ({"id": 7}, None, b"application/json"),
        (1.5, None, b"application/json"),
        ("text", None, b"text/plain; charset=utf-8"),
        ("text", "text", b"text/plain; charset=utf-8"),
        (gettext_lazy("Order"), None, b"text/plain; charset=utf-8"),
        (gettext_lazy("Order"), "text", b"text/plain; charset=utf-8"),
        ("text", "json", b"application/json"),
        (b"\0", None, b"application/octet-stream"),
        (memoryview(b"\0"), "bytes", b"application/octet-stream"),
        (None, None, None),
        ("text", "tests.unit.test_publish_call.reversed_text", None),
    ],
)
def test_an_event_says_what_its_value_is(
    value: Any, serializer: str | None, content_type: bytes | None, settings: Any
) -> None:
    settings.KAFKA = {"endpoints": "memory", "producer": {"value_serializer": serializer} if serializer else {}}

    publish("orders", value)

    assert dict(headers_of(only_row())).get("content-type") == content_type


def reversed_text(value: str) -> str:
    return value[::-1]


@pytest.mark.parametrize("name", ["content-type", "Content-Type"])
def test_the_callers_own_content_type_wins(name: str) -> None:
    publish("orders", "<a/>", headers={name: "application/xml"})

    headers = [pair for pair in headers_of(only_row()) if pair[0].lower() == "content-type"]
    assert headers == [(name, b"application/xml")]


@pytest.mark.parametrize("value", [{"id": 7}, "text", '"text in quotes"', b"\xff\0"])
def test_the_sdk_of_cloudevents_reads_what_was_published(value: Any) -> None:
    event_id = publish("orders", value, key="k")

    row = only_row()
    headers = {name: content or b"" for name, content in headers_of(row)}
    event = from_binary(KafkaMessage(headers=headers, key=bytes(row.key), value=bytes(row.value)), JSONFormat())

    assert event.get_data() == value
    assert (event.get_id(), event.get_type(), event.get_source()) == (event_id, "orders", "/shop")


# --- Transactions that the caller ends


@pytest.fixture
def by_hand(transactional_db: None) -> Iterator[None]:
    """Without autocommit: each transaction is begun by the first statement, and ended by the test."""
    transaction.set_autocommit(False)
    yield
    transaction.rollback()
    transaction.set_autocommit(True)


def test_a_transaction_that_is_committed_by_hand_publishes_once(by_hand: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kafka_integration.outbox.publish.note_published", UnattendedOutboxes().note_published)

    publish("orders", "kept")
    transaction.commit()
    publish("orders", "rolled back")
    transaction.rollback()

    assert [bytes(row.value) for row in OutboxMessage.objects.all()] == [b"kept"]


@pytest.mark.server_database
def test_each_transaction_that_is_committed_by_hand_wakes_the_relay(by_hand: None, settings: Any) -> None:
    settings.KAFKA = {"endpoints": "memory", "outbox": {"notify": True}}

    with CaptureQueriesContext(connection) as queries:
        for number in range(2):
            publish("orders", str(number))
            transaction.commit()

    assert len([query for query in queries if "pg_notify" in query["sql"]]) == 2


@pytest.mark.django_db(transaction=True)
def test_a_row_whose_notification_fails_is_not_written(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(alias: str) -> None:
        raise DatabaseError("the notification queue is full")

    settings.KAFKA = {"endpoints": "memory", "outbox": {"notify": True}}
    monkeypatch.setattr("kafka_integration.outbox.publish.notify_on_commit", fail)

    with pytest.raises(DatabaseError):
        publish("orders", "x")

    assert not OutboxMessage.objects.exists()


# --- Whether anybody relays it


@pytest.mark.django_db(transaction=True)
def test_publishing_warns_once_a_minute_where_rows_age_and_no_relay_runs(caplog: pytest.LogCaptureFixture) -> None:
    now = [1000.0]
    unattended = UnattendedOutboxes(clock=lambda: now[0])
    publish("orders", "x")
    OutboxMessage.objects.update(created_at="2026-01-01T00:00:00Z")

    with caplog.at_level(logging.WARNING, "kafka_integration.relay"):
        for seconds in (0, 1, 30, 61):
            now[0] = 1000.0 + seconds
            unattended.note_published("default")

    assert len(caplog.messages) == 2
    assert "manage.py runrelay" in caplog.messages[0]


@pytest.mark.django_db(transaction=True)
def test_publishing_is_silent_while_a_relay_holds_the_lease(caplog: pytest.LogCaptureFixture) -> None:
    publish("orders", "x")
    OutboxMessage.objects.update(created_at="2026-01-01T00:00:00Z")
    RelayLease.objects.create(name="outbox", holder="another", epoch=1, expires_at="2999-01-01T00:00:00Z")

    with caplog.at_level(logging.WARNING, "kafka_integration.relay"):
        UnattendedOutboxes().note_published("default")

    assert caplog.messages == []


@pytest.mark.django_db(transaction=True)
def test_who_counts_queries_is_left_alone_and_the_look_comes_later(caplog: pytest.LogCaptureFixture) -> None:
    unattended = UnattendedOutboxes()
    publish("orders", "x")
    OutboxMessage.objects.update(created_at="2026-01-01T00:00:00Z")

    with caplog.at_level(logging.WARNING, "kafka_integration.relay"):
        with CaptureQueriesContext(connection) as queries:
            unattended.note_published("default")
        before = list(caplog.messages)
        unattended.note_published("default")

    assert (len(queries), before) == (0, [])
    assert "manage.py runrelay" in caplog.messages[0]


def test_a_testcase_is_left_alone(django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        UnattendedOutboxes().note_published("default")

    assert callbacks == []

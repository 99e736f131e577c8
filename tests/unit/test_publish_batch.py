"""``publish_batch``: many events with one INSERT, or none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from kafka_integration import BatchProduceError, InvalidMessageError, publish, publish_batch
from kafka_integration.headers import load_headers
from kafka_integration.models import OutboxMessage
from kafka_integration.outbox import publish as publishing
from kafka_integration.testing import captured_messages

pytestmark = pytest.mark.usefixtures("shop")


def rows() -> list[OutboxMessage]:
    return list(OutboxMessage.objects.order_by("pk"))


def inserts(queries: CaptureQueriesContext) -> list[str]:
    return [query["sql"] for query in queries if query["sql"].startswith("INSERT")]


def test_the_ids_come_in_the_order_of_the_messages() -> None:
    ids = publish_batch("orders", [("k1", {"id": 1}), ("k2", None), [3, "x"], {"value": "y", "key": "k4"}])

    assert [dict(load_headers(row.headers))["ce_id"] for row in rows()] == [each.encode() for each in ids]
    assert len(set(ids)) == 4
    assert [row.key and bytes(row.key) for row in rows()] == [b"k1", b"k2", b"3", b"k4"]
    assert json.loads(bytes(rows()[0].value)) == {"id": 1}
    assert [row.value and bytes(row.value) for row in rows()[1:]] == [None, b"x", b"y"]


def test_each_is_what_publish_would_have_written() -> None:
    options: dict[str, Any] = {
        "headers": [("ce_id", "7"), ("a", b"\xff")],
        "partition": 3,
        "timestamp": 1_767_312_000_000,
    }
    publish("orders", {"id": 7}, key=7, **options)

    assert publish_batch("orders", [{"value": {"id": 7}, "key": 7, **options}]) == ["7"]

    one, other = rows()
    ours = {"id", "created_at", "headers"}
    assert {name: value for name, value in vars(one).items() if name[0] != "_" and name not in ours} == {
        name: value for name, value in vars(other).items() if name[0] != "_" and name not in ours
    }
    without_time = [[pair for pair in row.headers if pair[0] != "ce_time"] for row in (one, other)]
    assert without_time[0] == without_time[1]


def test_many_are_written_with_one_insert() -> None:
    with CaptureQueriesContext(connection) as queries:
        publish_batch("orders", ((number, "x") for number in range(50)))

    assert len(inserts(queries)) == 1
    assert OutboxMessage.objects.count() == 50


def test_more_than_a_statement_takes_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "ROWS_AT_ONCE", 20)

    with CaptureQueriesContext(connection) as queries:
        publish_batch("orders", ((None, str(number)) for number in range(50)))

    assert len(inserts(queries)) == 3
    assert [bytes(row.value) for row in rows()] == [str(number).encode() for number in range(50)]


def test_one_bad_message_and_nothing_is_written() -> None:
    messages = [("k", "good"), ("k", object()), {"key": "k"}, ("k", "x" * 1_000_001), "text", ("k", "good too")]

    with CaptureQueriesContext(connection) as queries, pytest.raises(InvalidMessageError) as raised:
        publish_batch("orders", messages)  # type: ignore[arg-type]  # what is refused

    assert isinstance(raised.value, BatchProduceError)
    assert [*raised.value.failed] == [1, 2, 3, 4]
    assert all(isinstance(error, InvalidMessageError) for error in raised.value.failed.values())
    assert not raised.value.may_still_arrive
    assert "nothing was published, because 4 of 6 messages are refused: [1]" in str(raised.value)
    assert not queries.captured_queries
    assert rows() == []


@pytest.mark.parametrize("messages", ["text", b"bytes", {"key": "k", "value": "v"}, 5, None])
def test_what_is_no_batch_is_refused(messages: Any) -> None:
    with pytest.raises(InvalidMessageError, match="Give a list"):
        publish_batch("orders", messages)


def test_a_topic_is_checked_without_messages_too() -> None:
    assert publish_batch("orders", []) == []
    with pytest.raises(InvalidMessageError, match="topic"):
        publish_batch("a b", [])


def test_all_of_them_go_with_the_open_transaction() -> None:
    with transaction.atomic():
        publish_batch("orders", [("k", "1"), ("k", "2")], using="default")
        transaction.set_rollback(True)

    assert rows() == []


@pytest.mark.django_db(transaction=True)
def test_outside_of_a_transaction_all_are_written_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(alias: str) -> None:
        raise RuntimeError

    monkeypatch.setattr(publishing, "announce", fail)

    with pytest.raises(RuntimeError):
        publish_batch("orders", [("k", "1"), ("k", "2")])

    assert rows() == []


@pytest.mark.server_database
@pytest.mark.django_db(transaction=True)
def test_the_relay_is_woken_once(settings: Any) -> None:
    settings.KAFKA = {"endpoints": "memory", "outbox": {"notify": True}}

    with CaptureQueriesContext(connection) as queries:
        publish_batch("orders", [("k", str(number)) for number in range(100)])

    assert len([query for query in queries if "pg_notify" in query["sql"]]) == 1


def test_captured_messages_sees_them() -> None:
    with captured_messages() as captured:
        publish_batch("orders", [("k", {"id": 1}), ("k", {"id": 2})])

    assert [message.json() for message in captured["orders"]] == [{"id": 1}, {"id": 2}]

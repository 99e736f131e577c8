"""The relay takes what was published to Kafka, as it was published, and removes it once Kafka has it."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from kafka_integration import publish
from kafka_integration.client.transports.embedded import EmbeddedBroker
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.conf import get_settings
from kafka_integration.models import OutboxMessage
from kafka_integration.outbox.relay import Relay
from kafka_integration.producing.partitioners import Partitioner, md5
from tests.embedded.relaying import new_topic, outbox, read_topic, relay_all, turn_until, values

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _embedded(settings: Any) -> None:
    settings.KAFKA = {"endpoints": "embedded"}


def first_byte(topic: str, partitions: int, key: bytes | None, value: bytes | None) -> int:
    """A project's own partition strategy."""
    return (value or b"\0")[0] % partitions


def broken_strategy(topic: str, partitions: int, key: bytes | None, value: bytes | None) -> int:
    """One that can't be relied on."""
    if value == b"bad":
        raise ZeroDivisionError
    return 0


def test_a_message_arrives_as_it_was_published(embedded_broker: EmbeddedBroker) -> None:
    topic = new_topic()
    publish(topic, {"id": 7}, key="k", headers=[("a", b"\xff"), ("a", None)], partition=2, timestamp=1_767_312_000_000)

    relay_all()

    (message,) = read_topic(embedded_broker.servers, topic, 1)
    assert (message.key(), json.loads(message.value() or b"")) == (b"k", {"id": 7})
    assert (message.partition(), message.timestamp()[1]) == (2, 1_767_312_000_000)
    headers = message.headers() or []
    assert [name for name, _ in headers[:5]] == ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time"]
    assert headers[5:] == [("content-type", b"application/json"), ("a", b"\xff"), ("a", None)]
    assert outbox() == []


def test_null_and_empty_keys_and_values_stay_apart(embedded_broker: EmbeddedBroker) -> None:
    topic = new_topic()
    for value, key in ((None, None), ("", ""), (None, "k")):
        publish(topic, value, key=key)

    relay_all()

    found = {(message.key(), message.value()) for message in read_topic(embedded_broker.servers, topic, 3)}
    assert found == {(None, None), (b"", b""), (b"k", None)}


def test_what_was_rolled_back_never_leaves(embedded_broker: EmbeddedBroker) -> None:
    topic = new_topic()
    with transaction.atomic():
        publish(topic, "rolled back")
        transaction.set_rollback(True)
    publish(topic, "committed")

    relay_all()

    assert values(read_topic(embedded_broker.servers, topic, 1)) == [b"committed"]


def test_the_messages_of_a_key_arrive_in_the_order_of_publishing(embedded_broker: EmbeddedBroker) -> None:
    topic = new_topic()
    with transaction.atomic():
        for number in range(600):
            publish(topic, str(number), key=f"key-{number % 7}")

    relay_all(Relay("default", get_settings()))

    by_key: dict[Any, list[int]] = {}
    for message in read_topic(embedded_broker.servers, topic, 600):
        by_key.setdefault(message.key(), []).append(int(message.value() or b""))
    assert sorted(number for numbers in by_key.values() for number in numbers) == list(range(600))
    assert all(numbers == sorted(numbers) for numbers in by_key.values())


def test_a_row_with_a_lower_id_that_commits_later_is_relayed_too(embedded_broker: EmbeddedBroker) -> None:
    topic = new_topic()
    publish(topic, "first")
    late = OutboxMessage.objects.get()
    OutboxMessage.objects.all().delete()
    publish(topic, "second")
    relay = Relay("default", get_settings())
    turn_until(relay, lambda: not outbox())

    late.save(force_insert=True)
    relay_all(relay)

    assert sorted(values(read_topic(embedded_broker.servers, topic, 2))) == [b"first", b"second"]


@pytest.mark.parametrize(
    ("strategy", "function"), [("md5", md5), ("tests.embedded.test_relay_delivers.first_byte", first_byte)]
)
def test_the_partition_strategy_of_the_producer_is_applied(
    embedded_broker: EmbeddedBroker, settings: Any, strategy: str, function: Partitioner
) -> None:
    settings.KAFKA = {"endpoints": "embedded", "producer": {"partition_strategy": strategy}}
    topic = new_topic()
    for number in range(8):
        publish(topic, chr(number), key=str(number))

    relay_all()

    for message in read_topic(embedded_broker.servers, topic, 8):
        assert message.partition() == function(topic, 4, message.key(), message.value())


def test_a_row_that_the_projects_strategy_fails_for_is_refused_alone(
    embedded_broker: EmbeddedBroker, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    path = "tests.embedded.test_relay_delivers.broken_strategy"
    settings.KAFKA = {"endpoints": "embedded", "producer": {"partition_strategy": path}}
    topic = new_topic()
    publish(topic, "bad", key="a")
    publish(topic, "good", key="b")

    relay_all()

    assert outbox() == [(topic, b"bad")]
    row = OutboxMessage.objects.get()
    assert "ZeroDivisionError" in row.refusal
    (said,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    # Kafka has not refused it, so nobody is told to give it up.
    assert said == (
        f"Outbox message #{row.pk} of default can't be sent and holds its key: mend what stands here, then retry it. "
        f"topic {topic}: partition_strategy {path} raised ZeroDivisionError."
    )
    assert values(read_topic(embedded_broker.servers, topic, 1)) == [b"good"]


def test_runrelay_once_relays_what_is_there_and_ends(embedded_broker: EmbeddedBroker) -> None:
    topic = new_topic()
    for number in range(30):
        publish(topic, str(number))

    call_command("runrelay", "--once")

    assert outbox() == []
    assert len(read_topic(embedded_broker.servers, topic, 30)) == 30


def test_the_memory_transport_is_relayed_to_as_well(settings: Any) -> None:
    settings.KAFKA = {"endpoints": "memory"}
    memory_broker().reset()
    publish("orders", "x", key="k")

    relay_all()

    (record,) = memory_broker().records("orders")
    assert (record.key, record.value) == (b"k", b"x")


def test_a_turn_holds_no_transaction_open(embedded_broker: EmbeddedBroker) -> None:
    publish(new_topic(), "x")
    relay = Relay("default", get_settings())

    relay.turn()

    assert not connection.in_atomic_block
    relay_all(relay)


def test_the_log_says_every_half_minute_what_was_relayed_and_what_waits(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.KAFKA = {"endpoints": "memory"}
    now = [0.0]
    relay = Relay("default", get_settings(), clock=lambda: now[0])
    caplog.set_level(logging.INFO, "kafka_integration.relay")
    publish("orders", "x")
    turn_until(relay, lambda: not outbox())
    OutboxMessage.objects.create(topic="orders", refused_at="2026-01-01T00:00:00Z")

    for seconds in (10, 29, 31, 32):
        now[0] = seconds
        relay.turn()
    relay.finish()

    (said,) = [message for message in caplog.messages if "in 30 s" in message]
    assert "1 message(s) relayed" in said
    assert "1 were refused" in said

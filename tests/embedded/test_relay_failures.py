"""What the relay does with messages, topics and brokers that fail: the key, the topic or everything waits."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from kafka_integration import publish
from kafka_integration.client.transports.embedded import SERVERS_VARIABLE, EmbeddedBroker
from kafka_integration.conf import get_settings
from kafka_integration.models import OutboxMessage
from kafka_integration.outbox.relay import Relay
from tests.embedded.relaying import new_topic, outbox, read_topic, relay_all, turn_until, values

pytestmark = pytest.mark.django_db(transaction=True)

SMALL = {"endpoints": "embedded", "producer": {"config": {"message.max.bytes": 1000}}}


@pytest.fixture(autouse=True)
def _embedded(settings: Any) -> None:
    settings.KAFKA = {"endpoints": "embedded"}


def test_a_message_that_is_refused_holds_its_key_and_no_other(embedded_broker: EmbeddedBroker, settings: Any) -> None:
    topic, other = new_topic(), new_topic()
    publish(topic, "1", key="a")
    publish(topic, "x" * 2000, key="a")
    publish(topic, "3", key="a")
    publish(topic, "4", key="b")
    publish(other, "5", key="a")
    settings.KAFKA = SMALL

    relay_all_but_held(Relay("default", get_settings()), 2)

    assert outbox() == [(topic, b"x" * 2000), (topic, b"3")]
    assert sorted(values(read_topic(embedded_broker.servers, topic, 2))) == [b"1", b"4"]
    assert values(read_topic(embedded_broker.servers, other, 1)) == [b"5"]


def test_a_refused_message_says_when_and_why(embedded_broker: EmbeddedBroker, settings: Any) -> None:
    publish(new_topic(), "x" * 2000, key="a")
    settings.KAFKA = SMALL

    relay_all()

    row = OutboxMessage.objects.get()
    assert row.refused_at is not None
    assert "MSG_SIZE_TOO_LARGE" in row.refusal
    assert "x" * 20 not in row.refusal


@pytest.mark.parametrize("headers", [{"ce_id": "x"}, [["name"]], [["name", {"hex": "00"}]], "text", 5])
def test_a_row_that_publish_did_not_write_is_refused_and_stops_no_other(
    embedded_broker: EmbeddedBroker, headers: Any
) -> None:
    topic = new_topic()
    OutboxMessage.objects.create(topic=topic, key=b"a", value=b"1", headers=headers)
    publish(topic, "2", key="a")
    publish(topic, "3", key="b")

    relay_all_but_held(Relay("default", get_settings()), 2)

    assert outbox() == [(topic, b"1"), (topic, b"2")]
    assert values(read_topic(embedded_broker.servers, topic, 1)) == [b"3"]
    assert "publish()" in OutboxMessage.objects.get(value=b"1").refusal


def test_messages_without_a_key_are_no_lane(embedded_broker: EmbeddedBroker, settings: Any) -> None:
    topic = new_topic()
    publish(topic, "x" * 2000)
    publish(topic, "2")
    settings.KAFKA = SMALL

    relay_all()

    assert values(read_topic(embedded_broker.servers, topic, 1)) == [b"2"]


def test_a_retried_message_goes_first_and_its_key_follows_in_order(
    embedded_broker: EmbeddedBroker, settings: Any
) -> None:
    topic = new_topic()
    for value in ("x" * 2000, "2", "3"):
        publish(topic, value, key="a")
    settings.KAFKA = SMALL
    relay_all_but_held(Relay("default", get_settings()), 3)

    settings.KAFKA = {"endpoints": "embedded"}
    OutboxMessage.objects.update(refused_at=None, refusal="")
    relay_all()

    assert values(read_topic(embedded_broker.servers, topic, 3)) == [b"x" * 2000, b"2", b"3"]


def test_a_discarded_message_lets_its_key_go_on(embedded_broker: EmbeddedBroker, settings: Any) -> None:
    topic = new_topic()
    publish(topic, "x" * 2000, key="a")
    publish(topic, "2", key="a")
    settings.KAFKA = SMALL
    relay_all_but_held(Relay("default", get_settings()), 2)

    OutboxMessage.objects.filter(refused_at__isnull=False).delete()
    relay_all()

    assert values(read_topic(embedded_broker.servers, topic, 1)) == [b"2"]


def test_a_partition_that_does_not_exist_is_a_refusal(embedded_broker: EmbeddedBroker) -> None:
    topic = new_topic()
    publish(topic, "nowhere", key="a", partition=99)
    publish(topic, "somewhere", key="b")

    relay_all()

    assert outbox() == [(topic, b"nowhere")]
    assert values(read_topic(embedded_broker.servers, topic, 1)) == [b"somewhere"]


def test_a_broker_that_is_not_there_costs_one_line_and_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(SERVERS_VARIABLE, raising=False)
    monkeypatch.setattr("kafka_integration.client.transports.embedded.announcement_path", _nowhere)
    topic = new_topic()
    publish(topic, "x")
    relay = Relay("default", get_settings())
    caplog.set_level(logging.WARNING, "kafka_integration")
    for _ in range(20):
        relay.turn()
    said = [message for message in caplog.messages if "runbroker" in message]

    with EmbeddedBroker() as broker:
        monkeypatch.setenv(SERVERS_VARIABLE, broker.servers)
        relay_all(relay)
        assert values(read_topic(broker.servers, topic, 1)) == [b"x"]

    assert len(said) == 1


def test_an_embedded_broker_that_comes_back_elsewhere_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    topic = new_topic()
    relay = Relay("default", get_settings())
    with EmbeddedBroker() as first:
        monkeypatch.setenv(SERVERS_VARIABLE, first.servers)
        publish(topic, "before")
        turn_until(relay, lambda: not outbox())
    publish(topic, "while it was away")

    with EmbeddedBroker() as second:
        monkeypatch.setenv(SERVERS_VARIABLE, second.servers)
        relay_all(relay)
        assert values(read_topic(second.servers, topic, 1)) == [b"while it was away"]


def test_what_is_under_way_is_bounded_by_number(embedded_broker: EmbeddedBroker, settings: Any) -> None:
    settings.KAFKA = {"endpoints": "embedded", "outbox": {"batch_size": 10}}
    topic = new_topic()
    for number in range(200):
        publish(topic, str(number))
    relay = Relay("default", get_settings())
    most = 0

    def done() -> bool:
        nonlocal most
        assert relay._forwarder is not None
        most = max(most, relay._forwarder.in_flight)
        return not outbox()

    turn_until(relay, done)
    relay.finish()

    assert 10 <= most <= 40


def relay_all_but_held(relay: Relay, left: int) -> None:
    turn_until(relay, lambda: len(outbox()) == left and OutboxMessage.objects.filter(refused_at__isnull=False).exists())
    relay.finish()


def _nowhere() -> Path:
    return Path("/nonexistent/kafka_integration/broker.json")

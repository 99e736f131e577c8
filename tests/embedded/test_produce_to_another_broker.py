"""The embedded broker is started again and listens elsewhere: whoever produces finds it, or is told to start it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from kafka_integration import BrokerUnavailableError, ProduceError, produce, produce_sync
from kafka_integration.client.producers.registry import producers
from kafka_integration.client.transports.embedded import SERVERS_VARIABLE, EmbeddedBroker, announced_broker
from kafka_integration.testing.embedding import EmbeddedKafka
from tests.waiting import wait_for


@pytest.fixture(autouse=True)
def _embedded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.delenv(SERVERS_VARIABLE, raising=False)
    # Announced where no other looks.
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with override_settings(KAFKA={"endpoints": "embedded"}):
        yield
        producers.close(0)


def test_without_the_broker_the_command_that_starts_it_is_named() -> None:
    with pytest.raises(BrokerUnavailableError, match=r"manage\.py runbroker") as missing:
        produce("orders", "x")

    assert isinstance(missing.value, ProduceError)
    assert not missing.value.may_still_arrive


def test_a_broker_that_was_started_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with announced_broker(["orders"]):
        produce_sync("orders", "first")
        first = producers.default()
    wait_for(lambda: first.log.unreachable, timeout=20)

    with announced_broker(["orders"]) as again:
        produce_sync("orders", "second")

        assert [message.value for message in EmbeddedKafka(again).consume("orders")] == ["second"]
    assert first.retired


def test_a_broker_that_has_gone_is_named_at_the_next_call() -> None:
    with announced_broker(["orders"]):
        produce_sync("orders", "x")
        first = producers.default()
    wait_for(lambda: first.log.unreachable, timeout=20)

    with pytest.raises(BrokerUnavailableError, match=r"manage\.py runbroker"):
        produce_sync("orders", "y")


def test_a_broker_named_by_the_environment_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedBroker() as broker:
        broker.create_topics(["orders"])
        monkeypatch.setenv(SERVERS_VARIABLE, broker.servers)

        assert produce_sync("orders", "x").topic == "orders"

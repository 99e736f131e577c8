"""The producers of a process: one for each configuration, replaced when it is of no use, never shared with a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError
from django.test import override_settings

from kafka_integration.client.producers import registry as producer_registry
from kafka_integration.client.producers.producer import Producer, alive_producers
from kafka_integration.client.producers.registry import ProducerRegistry, open_producer, producers
from kafka_integration.conf.connection import Connection
from kafka_integration.conf.producers import ProducerSettings
from kafka_integration.errors import BrokerError
from kafka_integration.producing.sender import DefaultSender
from tests.waiting import wait_for

NOWHERE = ProducerSettings(connection=Connection(servers=("127.0.0.1:1",)), shutdown_grace_seconds=0)


@pytest.fixture
def registry() -> Iterator[ProducerRegistry]:
    registry = ProducerRegistry()
    yield registry
    registry.close(0)


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


def test_a_producer_of_another_process_is_not_used(registry: ProducerRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    first = registry.get(NOWHERE)

    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        assert registry.get(NOWHERE) is not first
        registry.close(0)

    first.close(0)

"""Who reads without a group: it knows who leads partitions before it is given some."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from kafka_integration.client.bounded_reader import BoundedReader
from kafka_integration.client.metadata.records import Records
from kafka_integration.client.transports.memory import MemoryConsumer, memory_broker
from kafka_integration.conf import get_settings
from kafka_integration.conf.connection import Connection

pytestmark = pytest.mark.usefixtures("memory_transport")

TOPIC = "orders"
Read = Callable[[Connection], Any]


def first_record(connection: Connection) -> Any:
    with Records(connection) as records:
        return records.first({(TOPIC, 0): 0})


def batches(connection: Connection) -> Any:
    with BoundedReader(connection, name="reader", place=TOPIC) as reader:
        return [*reader.read({(TOPIC, 0): (0, 1)}, seconds=5)]


READS: tuple[Read, ...] = (first_record, batches)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What clients were asked to do, in order."""
    made: list[str] = []
    for name in ("list_topics", "assign"):
        method = getattr(MemoryConsumer, name)

        def call(consumer: Any, *given: Any, _name: str = name, _method: Any = method, **options: Any) -> Any:
            made.append(_name)
            return _method(consumer, *given, **options)

        monkeypatch.setattr(MemoryConsumer, name, call)
    return made


@pytest.mark.parametrize("read", READS)
def test_a_reader_knows_the_topics_before_it_is_given_partitions(calls: list[str], read: Read) -> None:
    memory_broker().produce(TOPIC, "v", partition=0)

    assert read(get_settings().connection)
    assert calls[:2] == ["list_topics", "assign"]


@pytest.mark.parametrize("read", READS)
def test_a_reader_whose_brokers_do_not_say_in_time_which_topics_there_are_reads_all_the_same(
    monkeypatch: pytest.MonkeyPatch, read: Read
) -> None:
    memory_broker().produce(TOPIC, "v", partition=0)

    def say_nothing(consumer: Any, *given: Any, **options: Any) -> Any:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    monkeypatch.setattr(MemoryConsumer, "list_topics", say_nothing)

    assert read(get_settings().connection)

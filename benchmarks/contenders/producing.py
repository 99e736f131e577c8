"""Producing with a confirmation of each message, by this project and by the raw client."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import django
from confluent_kafka import Producer

from ..workload import keyed
from .meter import Meter, work

PAGE = 5000
"""Messages that are given to `produce_batch` at a time."""


def raw_producer() -> Producer:
    return Producer(
        {
            "bootstrap.servers": work().servers,
            "linger.ms": 5,
            "enable.idempotence": True,
            "queue.buffering.max.messages": 1_000_000,
        }
    )


def raw() -> None:
    """A callback for each delivery, served now and then, as the client's documentation has it."""
    values, meter, topic = keyed(work().messages), Meter(work().messages), work().topic
    producer = raw_producer()
    confirmed = 0

    def on_delivery(error: object, message: object) -> None:
        nonlocal confirmed
        confirmed += error is None

    meter.begin()
    for number, (key, value) in enumerate(values):
        producer.produce(topic, value, key, on_delivery=on_delivery)
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush(60)
    meter.add_many(confirmed, size_of(values[:confirmed]))


def raw_in_batches() -> None:
    """The same by the client's `produce_batch`, each page waited for, as those of `produce_batch()` are."""
    values, meter, topic = keyed(work().messages), Meter(work().messages), work().topic
    producer = raw_producer()

    def on_delivery(error: object, message: object) -> None:
        if error is not None:
            raise SystemExit(f"a message was not written: {error}")

    meter.begin()
    for start in range(0, len(values), PAGE):
        page = values[start : start + PAGE]
        producer.produce_batch(topic, [{"value": value, "key": key} for key, value in page], on_delivery=on_delivery)
        if producer.flush(60):
            raise SystemExit("not all messages were written")
        meter.add_many(len(page), size_of(page))


def with_deliveries() -> None:
    values, meter, topic = prepared()
    from kafka_integration import produce

    meter.begin()
    deliveries = [produce(topic, value, key=key) for key, value in values]
    for delivery in deliveries:
        delivery.result(60)
    meter.add_many(len(deliveries), size_of(values))


def in_batches() -> None:
    values, meter, topic = prepared()
    from kafka_integration import produce_batch

    meter.begin()
    for start in range(0, len(values), PAGE):
        page = values[start : start + PAGE]
        meter.add_many(len(produce_batch(topic, page)), size_of(page))


def prepared() -> tuple[list[tuple[bytes, bytes]], Meter, str]:
    values = keyed(work().messages)
    django.setup()
    return values, Meter(work().messages), work().topic


def size_of(values: Sequence[tuple[bytes, bytes]]) -> int:
    return sum([len(value) for _, value in values])


FORMS = {"raw": raw, "raw-batches": raw_in_batches, "deliveries": with_deliveries, "batches": in_batches}

if __name__ == "__main__":
    FORMS[sys.argv[1]]()

"""The client itself, confluent-kafka: its `poll()` loop as documented, and a loop that is tuned by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from time import sleep

import django
from confluent_kafka import Consumer, Message, TopicPartition

from ..workload import BATCH
from .meter import Meter, leave, peak_mib, since_start, work

SLEEP_SECONDS = 0.010

TUNED = {"fetch.queue.backoff.ms": 10}


def poll(handle: Callable[[Message], None], properties: dict[str, int] | None = None) -> None:
    """At least once, as the client's documentation has it."""
    consumer = consumer_of_group(properties)
    while True:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        handle(message)
        consumer.store_offsets(message=message)


def consume(properties: dict[str, int]) -> None:
    """Batches, each value read, an offset stored once a batch and partition."""
    consumer, meter, topic = consumer_of_group(properties), Meter(work().messages), work().topic
    while True:
        messages = consumer.consume(BATCH, 1.0)
        size = count = 0
        last: dict[int | None, Message] = {}
        for message in messages:
            if message.error():
                continue
            size += len(message.value() or b"")
            count += 1
            last[message.partition()] = message
        if count:
            meter.add_many(count, size)
            consumer.store_offsets(offsets=[after(topic, message) for message in last.values()])


def after(topic: str, message: Message) -> TopicPartition:
    """Where to go on after a message."""
    return TopicPartition(topic, message.partition() or 0, (message.offset() or 0) + 1)


def consumer_of_group(properties: dict[str, int] | None = None) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": work().servers,
            "group.id": work().group,
            "auto.offset.reset": "earliest",
            "enable.auto.offset.store": False,
            **(properties or {}),
        }
    )
    consumer.subscribe([work().topic])
    return consumer


def read() -> Callable[[Message], None]:
    meter = Meter(work().messages)
    return lambda message: meter.add(len(message.value() or b""))


def first(message: Message) -> None:
    """Only the first one counts, and when it came."""
    size = len(message.value() or b"")
    leave({"count": 1, "size": size, "start_seconds": since_start(), "peak_mib": peak_mib()})


def sleeping() -> Callable[[Message], None]:
    meter = Meter(work().messages)

    def handle(message: Message) -> None:
        meter.begin_once()
        sleep(SLEEP_SECONDS)
        meter.add(len(message.value() or b""))

    return handle


def start() -> None:
    """A project's process, whose consumer is the raw client."""
    django.setup()
    poll(first)


def read_json() -> Callable[[Message], None]:
    meter = Meter(work().messages)
    return lambda message: meter.add(json.loads(message.value() or b"")["size"])


FORMS: dict[str, Callable[[], None]] = {
    "poll": lambda: poll(read()),
    "poll-tuned": lambda: poll(read(), TUNED),
    "sleeping": lambda: poll(sleeping()),
    "start": start,
    "json": lambda: poll(read_json()),
    "tuned": lambda: consume(TUNED),
    "consume": lambda: consume({}),
}

if __name__ == "__main__":
    FORMS[sys.argv[1]]()

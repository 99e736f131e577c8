"""A relay in the test's own thread, turned until something is true, and what arrived."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition

from kafka_integration.conf import get_settings
from kafka_integration.models import OutboxMessage
from kafka_integration.outbox.relay import Relay
from tests.waiting import wait_for


def new_topic() -> str:
    return f"topic-{uuid.uuid4().hex[:12]}"


def turn_until(relay: Relay, condition: Callable[[], Any], timeout: float = 20.0) -> None:
    """Let the relay turn until the condition holds."""

    def turned() -> bool:
        relay.turn()
        return bool(condition())

    wait_for(turned, timeout, lambda: f"{condition!r}, outbox: {outbox()}", interval=0.01)


def relay_all(relay: Relay | None = None) -> None:
    """Everything that can leave leaves."""
    relay = relay or Relay("default", get_settings())
    try:
        turn_until(relay, lambda: not OutboxMessage.objects.filter(refused_at=None).exists())
    finally:
        relay.finish()


def outbox() -> list[tuple[str, bytes | None]]:
    """Topic and value of what is there, oldest first."""
    rows = OutboxMessage.objects.order_by("id")
    return [(row.topic, None if row.value is None else bytes(row.value)) for row in rows]


def read_topic(servers: str, topic: str, count: int, timeout: float = 15.0) -> list[Message]:
    """The topic's messages as soon as there are so many; a second more shows whether there are too many."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": uuid.uuid4().hex, "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        found: list[Message] = []

        def complete() -> bool:
            found.extend(message for message in consumer.consume(1000, 0.2) if message.error() is None)
            return len(found) >= count

        wait_for(complete, timeout, lambda: f"{count} messages in {topic}, there are {len(found)}")
        found.extend(message for message in consumer.consume(1000, 0.5) if message.error() is None)
        return found
    finally:
        consumer.close()


def values(messages: Iterable[Message]) -> list[bytes | None]:
    return [message.value() for message in messages]

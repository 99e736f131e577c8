"""Topic and partition as the memory transport passes them around, and the client's way of refusing."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

Place = tuple[str, int]


def places_of(partitions: Iterable[TopicPartition]) -> list[Place]:
    return [(partition.topic, partition.partition) for partition in partitions]


def after(message: Message | None) -> list[TopicPartition]:
    """What to commit once ``message`` is finished; nothing for None."""
    if message is None:
        return []
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise ValueError("The message has no topic, partition and offset")
    return [TopicPartition(topic, partition, offset + 1)]


def failure(code: int, reason: str) -> KafkaException:
    return KafkaException(KafkaError(code, reason))

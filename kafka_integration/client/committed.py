"""What a group has committed for a partition, and whose word that is."""

from __future__ import annotations

from dataclasses import dataclass

from confluent_kafka import TopicPartition

OFFSETS_IN_KAFKA = "kafka_integration: offsets in Kafka"
"""The metadata of commits where they are all that counts, before what is noted with one; where the database keeps the
offsets it is empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Committed:
    """What Kafka holds for a partition: ``offset`` is None where that is nothing."""

    offset: int | None
    counts: bool
    """Whether a consumer of ours committed it whose offsets are kept in Kafka alone."""
    note: str = ""
    """What it noted with it."""


def committed_by(answer: TopicPartition) -> Committed:
    """What the broker answered for a partition."""
    word, _, note = (answer.metadata or "").partition("; ")
    offset, counts = answer.offset if answer.offset >= 0 else None, word == OFFSETS_IN_KAFKA
    return Committed(offset=offset, counts=counts, note=note if counts else "")

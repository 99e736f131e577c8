"""What a fetch brought, partition by partition."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from confluent_kafka import Message as RawMessage

Run = tuple[tuple[str, int], list[Any]]


def runs_of(raws: list[RawMessage]) -> list[Run]:
    """The messages of each partition, in order; a fetch brings them in long runs, so that is where this is quick."""
    runs: dict[Any, list[RawMessage]] = {}
    topics = set(map(RawMessage.topic, raws))
    by_topic = {topic: raws if len(topics) == 1 else [r for r in raws if r.topic() == topic] for topic in topics}
    for topic, found in by_topic.items():
        for partition, group in groupby(found, key=RawMessage.partition):
            runs.setdefault((topic, partition), []).extend(group)
    return list(runs.items())


def payload_bytes(raws: list[RawMessage]) -> int:
    """How much memory the values and keys of these messages hold."""
    return sum(map(len, raws)) + sum(map(len, filter(None, map(RawMessage.key, raws))))

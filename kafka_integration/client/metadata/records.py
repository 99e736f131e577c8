"""Single records of partitions, read without belonging to a group: the first and the last that a consumer gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import Any, Self

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaError, KafkaException, TopicPartition

from ...conf.connection import Connection
from ..reader import leave, open_reader, pages_of
from .partition_ends import Place

READER = "kafkagroups"
ANSWER_SECONDS = 5.0
STEPS = (1, 2, 16, 256, 4096)
"""How far before the end the last record is looked for: alone there, before a marker, before ever more of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Where a record is and when it was written; ``timestamp_ms`` is None where it doesn't say."""

    offset: int
    timestamp_ms: int | None


Answers = dict[Place, Record | None]
"""None where there is no record; a partition of which it can't be known in time isn't there."""


class Records:
    """Reads what consumers would get: nothing of transactions that were aborted or are still open."""

    def __init__(self, connection: Connection) -> None:
        # One record is wanted, and an end is known when a fetch comes back empty.
        properties = {"queued.min.messages": 1, "fetch.message.max.bytes": 65_536, "fetch.wait.max.ms": 10}
        self._consumer = open_reader(connection, name=READER, place=READER, properties=properties)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def first(self, starts: Mapping[Place, int]) -> Answers:
        """The first record of each partition at its offset or after it."""
        return self._read(starts, lambda record, place: True)

    def first_since(self, starts: Mapping[Place, int], timestamp_ms: int) -> Answers:
        """The first record that was written then or later, each looked at: for brokers that have no such question."""
        return self._read(starts, lambda record, place: (record.timestamp_ms or 0) >= timestamp_ms)

    def last(self, spans: Mapping[Place, tuple[int, int]]) -> Answers:
        """The last record of each partition from an offset on and before another one."""
        found: Answers = {}
        looked_from: dict[Place, int] = {}
        for step in (*STEPS, None):
            starts = {
                place: first if step is None else max(first, end - step)
                for place, (first, end) in spans.items()
                if place not in found
            }
            for place in [place for place, start in starts.items() if looked_from.get(place) == start]:
                # Everything there is was looked at.
                found[place], _ = None, starts.pop(place)
            looked_from.update(starts)
            answers = self._last_of(starts, spans)
            found |= {place: record for place, record in answers.items() if record is not None}
            spans = {place: span for place, span in spans.items() if place in answers}
        return found

    def _last_of(self, starts: Mapping[Place, int], spans: Mapping[Place, tuple[int, int]]) -> Answers:
        seen: Answers = {}

        def is_enough(record: Record, place: Place) -> bool:
            end = spans[place][1]
            if record.offset < end:
                seen[place] = record
            return record.offset >= end - 1

        answers = self._read(starts, is_enough)
        return {place: seen.get(place) for place in answers}

    def _read(self, starts: Mapping[Place, int], is_enough: Callable[[Record, Place], bool]) -> Answers:
        """The first record of each that is enough; None where its partition ends before that."""
        if not starts:
            return {}
        answers: Answers = {}
        deadline = monotonic() + ANSWER_SECONDS
        for page in pages_of(self._consumer, starts, until=lambda: len(answers) == len(starts), deadline=deadline):
            answered = len(answers)
            for message in page:
                place = message.topic(), message.partition()
                if place not in starts or place in answers:
                    continue
                if message.error() is not None:
                    if message.error().code() == KafkaError._PARTITION_EOF:
                        answers[place] = None
                elif is_enough(record := _record(message), place):
                    answers[place] = record
            leave(self._consumer, [*islice(answers, answered, None)])
        # librdkafka keeps a pause over reassignments.
        with suppress(KafkaException):
            self._consumer.resume([TopicPartition(*place) for place in answers])
        self._consumer.assign([])
        return answers


def _record(message: Any) -> Record:
    kind, milliseconds = message.timestamp()
    known = kind != TIMESTAMP_NOT_AVAILABLE and milliseconds >= 0
    return Record(offset=message.offset(), timestamp_ms=milliseconds if known else None)

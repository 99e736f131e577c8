"""What a fetch brought: events, and the messages of each partition."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from confluent_kafka import KafkaError
from confluent_kafka import Message as RawMessage

from ..errors import BrokerError
from .errors.translate import translate

END_REACHED = "_PARTITION_EOF"
OUT_OF_RANGE = "_AUTO_OFFSET_RESET"

_CUT = re.compile(r"log truncation detected at .*: broker end offset is (\d+) ")
# The log has no message of that epoch, or of an earlier one.
_NOTHING_LEFT = "No epoch found less or equal to"

Run = tuple[tuple[str, int], list[Any]]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that came in place of a message: an end of a partition, or an error."""

    code: str
    coordinates: tuple[str, int] | None
    offset: int | None
    cause: KafkaError
    place: str
    """Whose it is, as errors name it."""

    @property
    def error(self) -> BrokerError:
        """Made when it is asked for: an end comes after each message that nothing follows, and is none."""
        return translate(self.cause, place=self.place)

    @property
    def cut_at(self) -> int | None:
        """Where the log was cut before the position (an unclean leader election): what follows there was not read."""
        text = self.cause.str()  # librdkafka says it there alone
        if _NOTHING_LEFT in text:
            return 0
        found = _CUT.search(text)
        return None if found is None else int(found[1])


def events_apart(raws: list[RawMessage], *, place: str) -> tuple[list[RawMessage], list[Event]]:
    """The messages and the events of a fetch; ``place`` says whose it is, as errors name it."""
    if not any(map(RawMessage.error, raws)):
        return raws, []
    events = [_event(raw, place) for raw in raws if raw.error() is not None]
    return [raw for raw in raws if raw.error() is None], events


def runs_of(raws: list[RawMessage], *, among: Collection[str]) -> list[Run]:
    """The messages of each partition, in order; a fetch brings them in long runs, so that is where this is quick.

    ``among`` are the topics that they can be of: where it is one, none of them is asked.
    """
    runs: dict[Any, list[RawMessage]] = {}
    topics = among if len(among) == 1 else set(map(RawMessage.topic, raws))
    by_topic = {topic: raws if len(topics) == 1 else [r for r in raws if r.topic() == topic] for topic in topics}
    for topic, found in by_topic.items():
        for partition, group in groupby(found, key=RawMessage.partition):
            runs.setdefault((topic, partition), []).extend(group)
    return list(runs.items())


def _event(raw: RawMessage, place: str) -> Event:
    error = raw.error()
    assert error is not None
    topic, partition = raw.topic(), raw.partition()
    coordinates = None if topic is None or partition is None or partition < 0 else (topic, partition)
    if topic:
        place = f"{place}, topic {topic}"
    return Event(error.name(), coordinates, raw.offset(), error, place)

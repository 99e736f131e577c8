"""Where an event has got to: the outbox, its topic, and each group that reads it.

What can't be known within bounds is unknown here, and what was not looked at is said in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS
from django.utils.translation import ngettext

from ...client.bounded_reader import Place, Span
from ...conf.settings import Settings
from ...dead_letters.texts import text_or_base64
from ...local_times import aware
from ...message import moment_of
from ...models import DeadLetter, OutboxMessage
from ...outbox.declarations import declarations_of
from .groups import Groups, GroupStep
from .rows import Rows, event_id_of, letters_at, rows_of_event, rows_of_key
from .sightings import Look, Seen, Sighting, clusters, look

State = Literal["in_outbox", "refused", "relayed"]

SECONDS = 10.0
"""So long topics are read, and then the groups of each are asked."""
MOST_EVENTS = 100
CLOCKS_DIFFER = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event, or a message that is none: that has no ``id``. Its place is where it was seen first."""

    id: str | None
    topic: str
    key: bytes | None
    state: State
    partition: int | None
    offset: int | None
    at: datetime | None
    groups: tuple[GroupStep, ...]
    row_id: int | None = None
    """That of its row, while it is in an outbox."""
    database: str | None = None
    """That of the row."""
    refusal: str = ""
    """Why Kafka refused it."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The newest first, and in words what was not looked at."""

    events: list[Event]
    unseen: list[str]
    outboxes: list[str]
    letter_databases: list[str]
    spans: Mapping[Place, Span]
    """The databases and the offsets that were looked at."""


def find_event(
    settings: Settings,
    event_id: str,
    *,
    topic: str | None = None,
    since: datetime | None = None,
    seconds: float = SECONDS,
) -> Found:
    """The event of this id, once for each topic that has it; in ``topic`` alone where one is named."""
    rows = rows_of_event(settings, event_id).of_topic(topic)
    topics = [topic] if topic else rows.topics or _known_topics(settings)
    exactly = None
    if rows.letters and not rows.waiting:
        # Known, unless retention took it or the topic is another one by now: nothing else is to be read.
        exactly = {(letter.topic, letter.partition): (letter.offset, letter.offset + 1) for letter in rows.letters}
    wanted = Look(
        topics=topics,
        event_id=event_id,
        since=since or _written_after(rows),
        seconds=seconds,
        exactly=exactly,
    )
    return _found(settings, rows, look(settings, wanted), seconds)


def find_key(
    settings: Settings, topic: str, key: bytes, *, since: datetime | None = None, seconds: float = SECONDS
) -> Found:
    """The newest events of a key in its topic."""
    rows = rows_of_key(settings, topic, key)
    wanted = Look(topics=[topic], key=key, since=since, seconds=seconds)
    return _found(settings, rows, look(settings, wanted), seconds)


def as_json(event: Event) -> dict[str, Any]:
    """What ``--json`` prints of each; no payload."""
    return {
        "id": event.id,
        "topic": event.topic,
        "key": text_or_base64(event.key),
        "state": event.state,
        "partition": event.partition,
        "offset": event.offset,
        "at": event.at and event.at.isoformat(),
        "groups": [
            {"group": step.group, "state": step.state, "dead_letter_id": step.dead_letter_id} for step in event.groups
        ],
    }


def _known_topics(settings: Settings) -> list[str]:
    """All that the project reads or writes, patterns too."""
    read = (topic for consumer in settings.consumers.values() for topic in consumer.topics)
    published = (declaration.topic for model in apps.get_models() for declaration in declarations_of(model))
    return sorted({*settings.producer.topics, *published, *read})


def _written_after(rows: Rows) -> datetime | None:
    """Before that no relay can have sent what waits."""
    times = [aware(row.created_at, row._state.db or DEFAULT_DB_ALIAS) for row in rows.waiting]
    return min(times) - CLOCKS_DIFFER if times else None


@dataclass
class _Traces:
    """What was found of one event."""

    waiting: list[OutboxMessage]
    sightings: list[Sighting]
    letters: list[DeadLetter]


def _found(settings: Settings, rows: Rows, seen: Seen, seconds: float) -> Found:
    traces = _traces(rows, seen)
    groups: dict[str, Groups] = {}
    for topic in {topic for topic, *_ in traces}:
        groups[topic] = Groups(settings, topic, [s.place for s in seen.found if s.place[0] == topic], seconds=seconds)
        _add_letters(traces, topic, groups[topic].names, seen.found)
    complete = not seen.gaps & clusters(settings).keys()
    events = [_event(topic, each, groups[topic], complete) for (topic, *_), each in traces.items()]
    events.sort(key=lambda event: event.at or datetime.min.replace(tzinfo=UTC), reverse=True)
    unseen = [*rows.unseen, *seen.unseen]
    if len(events) > MOST_EVENTS:
        older = len(events) - MOST_EVENTS
        text = ngettext(
            "%(count)d older one of those that were found", "%(count)d older ones of those that were found", older
        )
        unseen.append(text % {"count": older})
    return Found(
        events=events[:MOST_EVENTS],
        unseen=unseen,
        outboxes=rows.outboxes,
        letter_databases=rows.letter_databases,
        spans=seen.spans,
    )


def _traces(rows: Rows, seen: Seen) -> dict[tuple[Any, ...], _Traces]:
    """By topic and event; what is no event is told apart by its place."""
    traces: dict[tuple[Any, ...], _Traces] = {}

    def of(topic: str, event_id: str | None, *place: Any) -> _Traces:
        name = (topic, event_id) if event_id else (topic, None, *place)
        return traces.setdefault(name, _Traces(waiting=[], sightings=[], letters=[]))

    for row in rows.waiting:
        of(row.topic, event_id_of(row), "row", row._state.db, row.pk).waiting.append(row)
    for sighting in seen.found:
        of(sighting.place[0], sighting.event_id, sighting.place[1], sighting.offset).sightings.append(sighting)
    for letter in rows.letters:
        of(letter.topic, event_id_of(letter), letter.partition, letter.offset).letters.append(letter)
    return traces


def _add_letters(
    traces: dict[tuple[Any, ...], _Traces], topic: str, groups: Iterable[str], sightings: Sequence[Sighting]
) -> None:
    """Those from the places where something was seen, that databases didn't find by event or key."""
    of_place: dict[tuple[int, int], _Traces] = {}
    for name, each in traces.items():
        if name[0] == topic:
            of_place |= {(s.place[1], s.offset): each for s in each.sightings}
    for partition in {partition for partition, _ in of_place}:
        offsets = [offset for number, offset in of_place if number == partition]
        for letter in letters_at(topic, partition, offsets, groups):
            each = of_place[partition, letter.offset]
            is_known = any(letter.pk == known.pk and letter._state.db == known._state.db for known in each.letters)
            # Of an earlier topic of the same name another message may have been there.
            if not is_known and _is_of(letter, each.sightings):
                each.letters.append(letter)


def _is_of(letter: DeadLetter, sightings: Sequence[Sighting]) -> bool:
    key = None if letter.key is None else bytes(letter.key)
    event_id = event_id_of(letter)
    return any(
        (s.place[1], s.offset, s.key, s.event_id) == (letter.partition, letter.offset, key, event_id) for s in sightings
    )


def _event(topic: str, traces: _Traces, groups: Groups, is_complete: bool) -> Event:
    row = traces.waiting[0] if traces.waiting else None
    first = min(traces.sightings, key=lambda s: (s.at is None, s.at, s.offset), default=None)
    letter = traces.letters[0] if traces.letters else None
    is_unsent = row is not None and first is None and is_complete
    source: Any = row or first or letter
    return Event(
        id=source.event_id if isinstance(source, Sighting) else event_id_of(source),
        topic=topic,
        key=None if source.key is None else bytes(source.key),
        state="relayed" if row is None else "in_outbox" if row.refused_at is None else "refused",
        partition=first.place[1] if first else letter.partition if letter else None,
        offset=first.offset if first else letter.offset if letter else None,
        at=_moment(row, first, letter),
        groups=groups.steps(traces.sightings, traces.letters, is_unsent=is_unsent),
        row_id=row.pk if row else None,
        database=row._state.db if row else None,
        refusal=row.refusal if row else "",
    )


def _moment(row: OutboxMessage | None, first: Sighting | None, letter: DeadLetter | None) -> datetime | None:
    if row is not None:
        return aware(row.created_at, row._state.db or DEFAULT_DB_ALIAS)
    if first is not None:
        return first.at
    return None if letter is None or letter.timestamp_ms is None else moment_of(letter.timestamp_ms)

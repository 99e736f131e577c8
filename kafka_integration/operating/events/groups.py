"""What became of records in each group that reads their topic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Literal

from django.db import DatabaseError

from ...client.bounded_reader import Place
from ...client.metadata.cluster import Cluster
from ...client.metadata.group_offsets import GroupOffsets
from ...conf.consumers import ConsumerSettings
from ...conf.settings import Settings
from ...consuming.catching_up.group_positions import GroupPositions
from ...errors import BrokerError
from ...models import DeadLetter
from ...topic_names import cover
from ..groups.looking import MOST_AT_ONCE, asks_a_database
from .sightings import Sighting, cluster_of

State = Literal["handled", "dead_letter", "replayed", "discarded", "not_reached", "unknown"]

_OF_LETTERS: dict[str, State] = {
    DeadLetter.State.PARKED: "dead_letter",
    DeadLetter.State.REPLAY: "dead_letter",
    DeadLetter.State.HANDLED: "replayed",
    DeadLetter.State.DISCARDED: "discarded",
}


@dataclass(frozen=True, kw_only=True)
class GroupStep:
    """How far one group is with an event."""

    group: str
    state: State
    dead_letter_id: int | None = None
    database: str | None = None
    """That of the dead letter."""
    place: Place | None = None
    """The partition in which it was seen and is not reached yet."""
    offset: int | None = None
    messages_before: int | None = None
    """At most so many come before it there; None where it isn't known where the group goes on."""


class Groups:
    """The groups that read one topic, and where they stood when this was made.

    ``places`` are the partitions that will be asked for. Of a group that can't be asked in time nothing is known.
    """

    def __init__(self, settings: Settings, topic: str, places: Iterable[Place], *, seconds: float) -> None:
        self._readers: dict[str, ConsumerSettings] = {}
        for consumer in settings.consumers.values():
            if cover(consumer.topics, topic):
                self._readers.setdefault(consumer.consumer_group, consumer)
        self._progress = _progress_of_all(self._readers, sorted(set(places)), monotonic() + seconds)

    @property
    def names(self) -> list[str]:
        return sorted(self._readers)

    def steps(
        self, sightings: Sequence[Sighting], letters: Sequence[DeadLetter], *, is_unsent: bool
    ) -> tuple[GroupStep, ...]:
        """What each group made of an event; ``is_unsent``: it is known not to be in the topic yet."""
        by_group = {letter.group: letter for letter in sorted(letters, key=lambda letter: letter.failed_at)}
        return tuple(
            _step_of(by_group[name])
            if name in by_group
            else GroupStep(group=name, state="not_reached")
            if is_unsent
            else self._step(name, sightings)
            for name in sorted({*self._readers, *by_group})
        )

    def _step(self, name: str, sightings: Sequence[Sighting]) -> GroupStep:
        cluster, progress = cluster_of(self._readers[name].connection), self._progress[name]
        there = [sighting for sighting in sightings if sighting.cluster == cluster]
        if not there or progress is None:
            return GroupStep(group=name, state="unknown")
        if any(map(progress.has_finished, there)):
            return GroupStep(group=name, state="handled")
        first = min(there, key=lambda sighting: (sighting.place, sighting.offset))
        return GroupStep(
            group=name,
            state="not_reached",
            place=first.place,
            offset=first.offset,
            messages_before=progress.count_before(first),
        )


class _Progress:
    """Up to where a group has finished these partitions, and what beyond."""

    def __init__(self, consumer: ConsumerSettings, cluster: Cluster, places: Sequence[Place]) -> None:
        with GroupPositions(consumer) as positions, GroupOffsets(cluster, consumer.consumer_group) as offsets:
            # In this order: an offset that moves meanwhile passes what was finished beyond it.
            self._beyond = positions.finished_beyond(offsets, places)
            self._next = positions.read(offsets, places)

    def count_before(self, sighting: Sighting) -> int | None:
        """How many offsets the group has to pass first; None where it isn't known where it goes on."""
        next_offset = self._next.get(sighting.place)
        return None if next_offset is None else max(0, sighting.offset - next_offset)

    def has_finished(self, sighting: Sighting) -> bool:
        next_offset = self._next.get(sighting.place)
        if next_offset is None:
            return False
        if sighting.offset < next_offset:
            return True
        beyond = self._beyond.get(sighting.place)
        # What a later leader wrote at the offset is another message than the one that was finished.
        is_later = beyond is None or (beyond.epoch is not None and sighting.leader_epoch > beyond.epoch)
        return beyond is not None and not is_later and sighting.offset in beyond.offsets


def _progress_of_all(
    readers: Mapping[str, ConsumerSettings], places: Sequence[Place], deadline: float
) -> Mapping[str, _Progress | None]:
    if not places:
        return dict.fromkeys(readers)
    with ExitStack() as clusters, ThreadPoolExecutor(MOST_AT_ONCE) as beside:
        connections = dict.fromkeys(consumer.connection for consumer in readers.values())
        by = {connection: clusters.enter_context(Cluster(connection)) for connection in connections}
        ask = {
            name: partial(_progress_of, consumer, by[consumer.connection], places, deadline)
            for name, consumer in readers.items()
        }
        # One waits for brokers most of the time. What asks a database stays in this thread, which is connected to it.
        answers = {
            name: ask[name] if asks_a_database([consumer]) else beside.submit(ask[name]).result
            for name, consumer in readers.items()
        }
        return {name: answer() for name, answer in answers.items()}


def _progress_of(
    consumer: ConsumerSettings, cluster: Cluster, places: Sequence[Place], deadline: float
) -> _Progress | None:
    try:
        return _Progress(consumer, cluster, places) if monotonic() < deadline else None
    except (BrokerError, DatabaseError):
        return None


def _step_of(letter: DeadLetter) -> GroupStep:
    return GroupStep(
        group=letter.group,
        state=_OF_LETTERS.get(letter.state, "unknown"),
        dead_letter_id=letter.pk,
        database=letter._state.db,
    )

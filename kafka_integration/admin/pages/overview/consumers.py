"""Each consumer as the overview shows it: of the settings, and of the processes that run one that isn't there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ....conf.settings import Settings
from ....operating.groups.history import HistoryPoint
from ....operating.presence.listing import ProcessView
from ....operating.unattended import missing_consumers
from ...lists import listed
from ..standings import worst_of

MOST_PLACES = 3
"""Partitions that a line names; of the others it says how many."""


@dataclass(frozen=True, kw_only=True)
class OwnedPartition:
    """A partition, as the process that owns it says."""

    topic: str
    partition: int
    lag: int | None
    time_lag_seconds: float | None
    state: str | None
    reason: str | None
    stuck_offset: int | None
    busy_seconds: float | None
    process_id: int

    @property
    def place(self) -> str:
        return f"{self.topic}[{self.partition}]"

    @property
    def coordinates(self) -> str:
        """With the message, where it is stuck at one."""
        return self.place if self.stuck_offset is None else f"{self.place}@{self.stuck_offset}"


@dataclass(frozen=True, kw_only=True)
class ConsumerLine:
    """One consumer. ``alive`` is how many processes run it; None where processes write nothing down."""

    name: str
    group: str
    topics: tuple[str, ...] = ()
    database: str | None = None
    """Where its dead letters are; None where it is none of the settings'."""
    is_enabled: bool = True
    is_missing: bool = False
    """Whether it should run, and nobody runs it."""
    alive: int | None = None
    lost: tuple[ProcessView, ...] = ()
    partitions: tuple[OwnedPartition, ...] = ()
    rates: tuple[float | None, ...] = ()
    history: tuple[HistoryPoint, ...] = ()
    """How far its group was behind, minute by minute; empty where others are in the same group."""

    @property
    def lag(self) -> int | None:
        lags = [partition.lag for partition in self.partitions if partition.lag is not None]
        # A part of it is not its lag.
        if lags and len(lags) == len(self.partitions):
            return sum(lags)
        return self._latest.lag if self._latest else None

    @property
    def time_lag_seconds(self) -> float | None:
        known = [partition.time_lag_seconds for partition in self.partitions if partition.time_lag_seconds is not None]
        if not self.partitions and self._latest:
            return self._latest.time_lag_seconds
        return max(known, default=None)

    @property
    def _latest(self) -> HistoryPoint | None:
        """What somebody saw of the group in this minute or the one before: also of one that nobody runs."""
        return next((point for point in reversed(self.history[-2:]) if point.lag is not None), None)

    @property
    def rate(self) -> float | None:
        known = [rate for rate in self.rates if rate is not None]
        return sum(known) if known else None

    @property
    def state(self) -> str | None:
        if self.alive == 0 and self.lag is not None:
            return "unowned" if self.lag else "caught_up"
        return worst_of(partition.state for partition in self.partitions)

    @property
    def standstills(self) -> list[Standstill]:
        """Where it doesn't go on, the stuck ones first."""
        found: dict[tuple[str, str | None, bool], list[OwnedPartition]] = {}
        for partition in self.partitions:
            if partition.state in ("stuck", "waiting"):
                key = partition.state, partition.reason, partition.busy_seconds is None
                found.setdefault(key, []).append(partition)
        return [
            Standstill(state=state, reason=reason, partitions=tuple(there))
            for (state, reason, _), there in sorted(
                found.items(), key=lambda item: (item[0][0] != "stuck", str(item[0][1]), item[0][2])
            )
        ]


@dataclass(frozen=True, kw_only=True)
class Standstill:
    """Partitions of a consumer that don't go on for the same reason."""

    state: str
    reason: str | None
    partitions: tuple[OwnedPartition, ...]

    @property
    def places(self) -> str:
        """The first of them; a stuck one with the message that it is stuck at."""
        named = [partition.coordinates for partition in self.named]
        others = len(self.partitions) - len(named)
        return listed([*named, *([f"+{others}"] if others else [])])

    @property
    def named(self) -> tuple[OwnedPartition, ...]:
        return self.partitions[:MOST_PLACES]

    @property
    def busy_seconds(self) -> float | None:
        """How long the handler has been at work that has been for longest; None where none is."""
        return max((each.busy_seconds for each in self.partitions if each.busy_seconds is not None), default=None)


Sighting = tuple[ProcessView, Mapping[str, Any]]
"""A process, and what it says of one consumer."""


def consumer_lines(
    settings: Settings, processes: Sequence[ProcessView] | None, histories: Mapping[str, Sequence[HistoryPoint]]
) -> list[ConsumerLine]:
    """All consumers by name; without ``processes`` nothing is known of who runs them."""
    seen = _seen(processes or ())
    missing = () if processes is None else missing_consumers(settings, processes)
    members = Counter(consumer.consumer_group for consumer in settings.consumers.values())
    configured = [
        ConsumerLine(
            name=consumer.name,
            group=consumer.consumer_group,
            topics=consumer.topics,
            database=consumer.database,
            is_enabled=consumer.enabled,
            is_missing=consumer.name in missing,
            history=tuple(histories.get(consumer.consumer_group, ())) if members[consumer.consumer_group] == 1 else (),
            **({} if processes is None else _running(seen.pop(consumer.name, []))),
        )
        for consumer in settings.consumers.values()
    ]
    others = [
        ConsumerLine(name=name, group=str(sightings[0][1].get("group")), **_running(sightings))
        for name, sightings in seen.items()
    ]
    return sorted([*configured, *others], key=lambda line: line.name)


def _seen(processes: Iterable[ProcessView]) -> dict[str, list[Sighting]]:
    found: dict[str, list[Sighting]] = {}
    for process in processes:
        for consumer in process.consumers:
            found.setdefault(str(consumer.get("name")), []).append((process, consumer))
    return found


def _running(sightings: Sequence[Sighting]) -> dict[str, Any]:
    alive = [(process, consumer) for process, consumer in sightings if not process.is_lost]
    partitions = [partition for process, consumer in alive for partition in _owned(process, consumer)]
    return {
        "alive": len(alive),
        "lost": tuple(process for process, _consumer in sightings if process.is_lost),
        "partitions": tuple(sorted(partitions, key=lambda partition: (partition.topic, partition.partition))),
        "rates": tuple(consumer.get("rate") for _process, consumer in alive),
    }


def _owned(process: ProcessView, consumer: Mapping[str, Any]) -> Iterator[OwnedPartition]:
    # A worker of another version may say more, or less.
    for partition in consumer.get("partitions", ()):
        yield OwnedPartition(
            topic=str(partition.get("topic")),
            partition=partition.get("partition", -1),
            lag=partition.get("lag"),
            time_lag_seconds=partition.get("time_lag_seconds"),
            state=partition.get("state"),
            reason=partition.get("reason"),
            stuck_offset=partition.get("stuck_offset"),
            busy_seconds=partition.get("busy_seconds"),
            process_id=process.id,
        )

"""How far a group is behind, from the settings of its consumers, its offsets and the ends of its partitions.

Nothing here needs the group's members, or a broker that can list groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from time import time

from ...client.metadata.group_offsets import GroupOffsets
from ...client.metadata.partition_ends import Place
from ...client.metadata.records import Answers, Record, Records
from ...conf.connection import Connection
from ...conf.consumers import ConsumerSettings
from ...conf.settings import Settings
from ...consuming.catching_up.group_positions import GroupPositions
from ...errors import ConfigurationError
from ...topic_names import names_among
from .members import UNKNOWN, Members, members_of
from .owners import Owners, Processes, live_processes, owners_of


@dataclass(frozen=True, kw_only=True)
class PartitionLag:
    """``committed`` is None where the group has not committed yet; the lag is then counted from its start policy.

    ``end``, ``lag`` and ``time_lag_seconds`` are None where they can't be known: a partition has no leader. Without lag
    there is no message that could have an age. ``state`` is None where it can't be told who works on it.
    """

    topic: str
    partition: int
    committed: int | None
    end: int | None
    lag: int | None
    first: int | None = None
    """The partition's first offset."""
    position: int | None = None
    """Where the group goes on: at its offset, if that is still there."""
    oldest_ms: int | None = None
    """When the lowest unfinished message was written, by its own timestamp."""
    time_lag_seconds: float | None = None
    state: str | None = None
    reason: str | None = None
    stuck_offset: int | None = None

    @property
    def place(self) -> Place:
        return self.topic, self.partition


@dataclass(frozen=True, kw_only=True)
class GroupLag:
    """What a group has still to do, and the topics of its settings that don't exist (yet), or are kept from us."""

    group: str
    partitions: tuple[PartitionLag, ...]
    missing_topics: tuple[str, ...] = ()
    hidden_topics: tuple[str, ...] = ()
    members: Members = UNKNOWN

    @property
    def total(self) -> int | None:
        """None where the lag of a partition, or a topic, can't be known."""
        return None if self.unknown or self.hidden_topics else self.known

    @property
    def known(self) -> int:
        return sum(partition.lag for partition in self.partitions if partition.lag is not None)

    @property
    def unknown(self) -> int:
        """Of how many partitions the lag can't be known."""
        return sum(partition.lag is None for partition in self.partitions)

    @property
    def time_lag_seconds(self) -> float | None:
        """The age of the oldest message that isn't finished; None without lag, and where one can't be known."""
        if self.total is None:
            return None
        ages = [partition.time_lag_seconds for partition in self.partitions if partition.lag]
        known = [age for age in ages if age is not None]
        return max(known) if known and len(known) == len(ages) else None


def compute_lag(settings: Settings, group: str) -> GroupLag:
    """The lag of every partition of the group's topics.

    Raises ``ConfigurationError`` for a group of no consumer, ``BrokerError`` where Kafka can't be asked.
    """
    return lag_beside(settings, group, live_processes(settings.operations))


def lag_beside(settings: Settings, group: str, processes: Processes) -> GroupLag:
    """The same, for who knows what processes there are."""
    consumers = consumers_of(settings, group)
    found: dict[Place, PartitionLag] = {}
    missing: list[str] = []
    hidden: list[str] = []
    connections = dict.fromkeys(consumer.connection for consumer in consumers)
    for connection in connections:
        with GroupOffsets(connection, group) as offsets:
            for consumer in consumers:
                if consumer.connection == connection:
                    with GroupPositions(consumer) as positions:
                        lags = _lags_of(positions, offsets)
                        for topic in _missing(consumer, lags):
                            (hidden if positions.is_hidden(topic) else missing).append(topic)
                    found |= {lag.place: lag for lag in lags}
        found |= _looked_at(connection, [lag for lag in found.values() if lag.lag and lag.oldest_ms is None])
    owners = owners_of(connections, group, processes, settings.operations)
    return GroupLag(
        group=group,
        partitions=tuple(_owned(found[place], owners) for place in sorted(found)),
        missing_topics=tuple(dict.fromkeys(missing)),
        hidden_topics=tuple(dict.fromkeys(hidden)),
        members=members_of(owners),
    )


def consumers_of(settings: Settings, group: str) -> list[ConsumerSettings]:
    """The consumers whose group this is; ``ConfigurationError`` where there is none."""
    consumers = [consumer for consumer in settings.consumers.values() if consumer.consumer_group == group]
    if not consumers:
        known = ", ".join(sorted({consumer.consumer_group for consumer in settings.consumers.values()})) or "none"
        raise ConfigurationError([f'no consumer has the consumer_group "{group}"; settings.KAFKA has: {known}'])
    return consumers


def _lags_of(group: GroupPositions, offsets: GroupOffsets) -> list[PartitionLag]:
    places = group.places(offsets)
    # To be connected, which takes seconds sometimes: no answer may be that much older than the other.
    offsets.committed(places)
    # In this order: what is finished after the position was read, and before the ends are known, would count as lag.
    ends, committed = offsets.ends(places), group.read(offsets, places)
    return [_lag_of(group, place, committed[place], ends.get(place)) for place in places]


def _lag_of(group: GroupPositions, place: Place, committed: int | None, ends: tuple[int, int] | None) -> PartitionLag:
    topic, number = place
    if ends is None:
        return PartitionLag(topic=topic, partition=number, committed=committed, end=None, lag=None)
    first, end = ends
    # What retention has taken is no work any more.
    position = max(first, group.start(first, end) if committed is None else committed)
    return PartitionLag(
        topic=topic,
        partition=number,
        committed=committed,
        end=end,
        lag=max(0, end - position),
        first=first,
        position=position,
    )


def _looked_at(connection: Connection, lags: Sequence[PartitionLag]) -> dict[Place, PartitionLag]:
    """By the records that are there: what holds none is no lag, at the end of a partition above all."""
    if not lags:
        return {}
    spans = {lag.place: (lag.position or 0, lag.end or 0) for lag in lags}
    with Records(connection) as records:
        firsts = records.first({place: position for place, (position, _) in spans.items()})
        present = {place: record for place, record in firsts.items() if record is not None}
        lasts = records.last({place: (record.offset, spans[place][1]) for place, record in present.items()})
    return {lag.place: _measured(lag, firsts, lasts) for lag in lags if lag.place in firsts}


def _measured(lag: PartitionLag, firsts: Answers, lasts: Answers) -> PartitionLag:
    first, end = firsts[lag.place], lag.end or 0
    if first is None or first.offset >= end:
        return replace(lag, lag=0)
    last = lasts.get(lag.place) or Record(offset=end - 1, timestamp_ms=None)
    age = None if first.timestamp_ms is None else max(0.0, round(time() - first.timestamp_ms / 1000, 3))
    return replace(lag, lag=last.offset + 1 - first.offset, oldest_ms=first.timestamp_ms, time_lag_seconds=age)


def _owned(lag: PartitionLag, owners: Owners) -> PartitionLag:
    state, reason, stuck_offset = owners.state_of(lag.place, lag.lag)
    return replace(lag, state=state, reason=reason, stuck_offset=stuck_offset)


def _missing(consumer: ConsumerSettings, lags: Iterable[PartitionLag]) -> list[str]:
    present = {lag.topic for lag in lags}
    return [topic for topic in names_among(consumer.topics) if topic not in present]

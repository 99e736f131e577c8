"""What one cluster says of groups, asked by one client for all of them: how far each is behind, and who is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from time import time

from django.db import DatabaseError

from ...client.metadata.cluster import Cluster
from ...client.metadata.group_members import GroupMember
from ...client.metadata.group_offsets import GroupOffsets
from ...client.metadata.partition_ends import Ends, PartitionEnds, Place
from ...client.metadata.records import Answers, Record, Records
from ...conf.connection import Connection
from ...conf.consumers import ConsumerSettings
from ...consuming.catching_up.group_positions import GroupPositions, absent_of, places_of
from ...errors import BrokerError
from .owners import Owner, ask_members
from .topic_settings import NOTHING_TOLD, TopicSettings, ask_for_settings

MOST_AT_ONCE = 32
"""Groups that are asked about at a time: each has a client of its own, and waits for brokers most of it."""
MOST_READERS = 8
"""Of records."""

Start = tuple[Place, int]
"""A partition, and where somebody goes on in it."""
FirstAndLast = tuple[Record | None, Record | None]


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
    owner: Owner | None = None
    """The process of ours that works on it."""

    @property
    def place(self) -> Place:
        return self.topic, self.partition

    @property
    def lost(self) -> int | None:
        """How many messages, at most, were deleted before the group handled them; None where nobody can tell."""
        if self.committed is None or self.first is None:
            return None
        return 0 if self._is_gone_on_with else max(0, self.first - self.committed)

    @property
    def deleted_ahead(self) -> int | None:
        """The same of a process that goes on: it handles what it has fetched, and tells itself what it leaves out."""
        if self.committed is None or self.first is None:
            return None
        return max(0, self.first - self.committed) if self._is_gone_on_with else 0

    @property
    def _is_gone_on_with(self) -> bool:
        return self.owner is not None and self.owner.goes_on


@dataclass(kw_only=True)
class Looked:
    """Of one group. ``members`` is None where brokers don't tell; with a ``problem`` nothing else is known."""

    lags: dict[Place, PartitionLag] = field(default_factory=dict)
    missing_topics: list[str] = field(default_factory=list)
    hidden_topics: list[str] = field(default_factory=list)
    members: tuple[GroupMember, ...] | None = None
    settings: TopicSettings = NOTHING_TOLD
    """Of the topics in which one of the groups has something left."""
    problem: BrokerError | DatabaseError | None = None


def asks_a_database(consumers: Iterable[ConsumerSettings]) -> bool:
    """Whether the offsets of one of them are there."""
    return any(consumer.offset_storage != "kafka" for consumer in consumers)


def look(
    connection: Connection, groups: Mapping[str, Sequence[ConsumerSettings]], *, asks_members: bool = True
) -> dict[str, Looked]:
    """What there is to say of each group of these consumers, which all read this cluster; of its members if wanted.

    A group that can't be asked about hides no other. A database is asked by the thread that calls this alone.
    """
    found: dict[str, Looked] = {}
    names = [*groups]
    with Cluster(connection) as cluster, ThreadPoolExecutor(MOST_AT_ONCE) as beside:
        for first in range(0, len(names), MOST_AT_ONCE):
            some = {name: groups[name] for name in names[first : first + MOST_AT_ONCE]}
            found |= _look_at_some(cluster, some, beside, asks_members=asks_members)
    return found


def _look_at_some(
    cluster: Cluster, groups: Mapping[str, Sequence[ConsumerSettings]], beside: Executor, *, asks_members: bool
) -> dict[str, Looked]:
    with ExitStack() as opened:
        looks = [
            _GroupLook(name, consumers, opened.enter_context(GroupOffsets(cluster, name)))
            for name, consumers in groups.items()
        ]
        try:
            _look_at_all(cluster, looks, beside, asks_members=asks_members)
        except BrokerError as error:
            for each in looks:
                each.found = Looked(problem=error)
    return {each.name: each.found for each in looks}


class _GroupLook:
    """One group, and what was found of it so far."""

    def __init__(self, name: str, consumers: Sequence[ConsumerSettings], offsets: GroupOffsets) -> None:
        self.name = name
        self.consumers = consumers
        self.found = Looked()
        self.places: list[list[Place]] = []
        """The partitions of each consumer."""
        self._offsets = offsets

    def begin(self) -> None:
        self._offsets.connect()

    def reach(self) -> None:
        """Have a first answer of the group's broker."""
        self._offsets.committed(place for places in self.places for place in places)

    def read(self, ends: Mapping[Place, Ends]) -> None:
        for consumer, places in zip(self.consumers, self.places, strict=True):
            with GroupPositions(consumer) as group:
                committed = group.read(self._offsets, places)
                self.found.lags |= {place: _lag_of(group, place, committed[place], ends.get(place)) for place in places}
                for topic in absent_of(consumer, places):
                    found = self.found.hidden_topics if group.is_hidden(topic) else self.found.missing_topics
                    found.append(topic)


def _look_at_all(cluster: Cluster, looks: Sequence[_GroupLook], beside: Executor, *, asks_members: bool) -> None:
    # All that takes a connection begins before an answer is waited for.
    asked = beside.submit(cluster.topics)
    _do_for_each(looks, _GroupLook.begin, beside)
    topics = asked.result()
    for each in looks:
        each.places = [places_of(consumer, topics) for consumer in each.consumers]
    names = [each.name for each in looks] if asks_members else []
    members = beside.submit(ask_members, cluster.admin, names)
    # To be connected, which takes seconds sometimes: no answer may be that much older than the other.
    _do_for_each(looks, _GroupLook.reach, beside)
    # In this order: what is finished after its position was read, and before the ends are known, would count.
    ends = PartitionEnds(cluster.admin).ask({place for each in looks for places in each.places for place in places})
    _do_for_each(looks, lambda each: each.read(ends), beside)
    lags = [lag for each in looks for lag in each.found.lags.values()]
    settings = beside.submit(ask_for_settings, cluster.admin, {lag.topic for lag in lags if lag.lag})
    records = _read_records(cluster.connection, lags, beside)
    for each in looks:
        if each.found.problem is None:
            each.found.members = members.result().get(each.name)
            each.found.settings = settings.result()
            each.found.lags = {place: _measured(lag, records) for place, lag in each.found.lags.items()}


def _do_for_each(looks: Iterable[_GroupLook], do: Callable[[_GroupLook], None], beside: Executor) -> None:
    """What fails is that group's problem, of which nothing more is asked."""
    asked = [each for each in looks if each.found.problem is None]
    # One waits for brokers most of the time. What asks a database stays here, as each thread would connect to it.
    done = [(each, partial(do, each) if asks_a_database(each.consumers) else beside.submit(do, each).result)
            for each in asked]  # fmt: skip
    for each, wait in done:
        try:
            wait()
        except (BrokerError, DatabaseError) as error:
            each.found = Looked(problem=error)


def _lag_of(group: GroupPositions, place: Place, committed: int | None, ends: Ends | None) -> PartitionLag:
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


def _read_records(connection: Connection, lags: Iterable[PartitionLag], beside: Executor) -> dict[Start, FirstAndLast]:
    """The first and the last record of what each group has left in each partition, where that is known in time."""
    rounds = _rounds(lags)
    pairs = min(MOST_READERS // 2, len(rounds))
    shares = [rounds[number::pairs] for number in range(pairs)]
    # Beside each other: most of the time such a reader waits for what it asked for.
    firsts = beside.map(partial(_read_rounds, connection, _firsts), shares)
    lasts = beside.map(partial(_read_rounds, connection, Records.last), shares)
    first, last = _merged(firsts), _merged(lasts)
    return {start: (record, last.get(start)) for start, record in first.items()}


def _rounds(lags: Iterable[PartitionLag]) -> list[dict[Place, Ends]]:
    """What is read at a time: of a partition in which groups are at different offsets one after the other."""
    rounds: list[dict[Place, Ends]] = []
    asked: set[Start] = set()
    for lag in lags:
        if lag.lag and lag.position is not None and lag.end is not None and (lag.place, lag.position) not in asked:
            asked.add((lag.place, lag.position))
            free = next((spans for spans in rounds if lag.place not in spans), None)
            if free is None:
                rounds.append(free := {})
            free[lag.place] = (lag.position, lag.end)
    return rounds


def _read_rounds(
    connection: Connection,
    read: Callable[[Records, Mapping[Place, Ends]], Answers],
    rounds: Iterable[Mapping[Place, Ends]],
) -> dict[Start, Record | None]:
    found: dict[Start, Record | None] = {}
    with Records(connection) as records:
        for spans in rounds:
            found |= {(place, spans[place][0]): record for place, record in read(records, spans).items()}
    return found


def _firsts(records: Records, spans: Mapping[Place, Ends]) -> Answers:
    return records.first({place: position for place, (position, _) in spans.items()})


def _merged(parts: Iterable[Mapping[Start, Record | None]]) -> dict[Start, Record | None]:
    return dict(chain.from_iterable(part.items() for part in parts))


def _measured(lag: PartitionLag, records: Mapping[Start, FirstAndLast]) -> PartitionLag:
    """By the records that are there: what holds none is no lag, at the end of a partition above all."""
    if not lag.lag or lag.end is None or (lag.place, lag.position) not in records:
        return lag
    first, last = records[lag.place, lag.position or 0]
    if first is None or first.offset >= lag.end:
        return replace(lag, lag=0)
    age = None if first.timestamp_ms is None else max(0.0, round(time() - first.timestamp_ms / 1000, 3))
    end = lag.end if last is None else last.offset + 1
    return replace(lag, lag=end - first.offset, oldest_ms=first.timestamp_ms, time_lag_seconds=age)

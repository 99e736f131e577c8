"""What a reset of a group's offsets would do, partition by partition, before anything is done."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext

from ...client.metadata.group_offsets import GroupOffsets
from ...client.metadata.partition_ends import Ends, Place
from ...client.metadata.records import Records
from ...client.transports.choosing import transport_of
from ...conf.connection import Connection
from ...conf.consumers import ConsumerSettings
from ...conf.settings import Settings
from ...consuming.catching_up.group_positions import GroupPositions, places_of
from ...errors import ResetRefusedError
from .lag import GroupLag, consumers_of
from .targets import Edge, Moment, Offset, Shift, Target


@dataclass(frozen=True, kw_only=True)
class Move:
    """One partition's: ``to`` is None where it can't be known, and ``start`` where the group goes on now.

    ``clamped`` says why it isn't moved where it was asked to be, or that there is nothing from before.
    """

    consumer: ConsumerSettings
    topic: str
    partition: int
    start: int
    to: int | None
    clamped: str | None = None

    @property
    def place(self) -> Place:
        return self.topic, self.partition

    @property
    def handled_again(self) -> int | None:
        return None if self.to is None else max(0, self.start - self.to)

    @property
    def skipped(self) -> int | None:
        return None if self.to is None else max(0, self.to - self.start)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What would be moved, and what else is to be known before."""

    group: str
    target: Target
    moves: tuple[Move, ...]

    @property
    def unknown(self) -> tuple[Move, ...]:
        """Those that can't be moved because nobody can say where their partition begins and ends."""
        return tuple(move for move in self.moves if move.to is None)

    @property
    def notes(self) -> tuple[str, ...]:
        again = {move.consumer.name: move.consumer for move in self.moves if move.handled_again}
        text = gettext(
            "consumer %(name)s has deduplicate: messages whose effects it remembers are left out, not handled again"
        )
        return tuple(text % {"name": name} for name, consumer in sorted(again.items()) if consumer.deduplicate)


@dataclass(frozen=True, kw_only=True)
class _Standing:
    """Where a consumer's group is in partitions, where these begin and end, and where what a moment asks for is."""

    committed: Mapping[Place, int | None]
    ends: Mapping[Place, Ends]
    since: Mapping[Place, int]


def plan_reset(
    settings: Settings,
    group: str,
    target: Target,
    *,
    topic: str | None = None,
    partition: int | None = None,
    lag: GroupLag | None = None,
) -> Plan:
    """Where each partition of the group would go, of all its topics or of this one; by its ``lag`` for who knows that.

    Raises ``ConfigurationError`` for a group of no consumer, ``ResetRefusedError`` where the group reads no such
    partition, ``BrokerError`` where Kafka can't be asked.
    """
    moves: dict[Place, Move] = {}
    for consumer in consumers_of(settings, group):
        with GroupPositions(consumer) as positions:
            if lag is None or isinstance(target, Moment):
                standing = _ask(consumer, positions, target, topic, partition)
            else:
                standing = _seen(consumer, lag, topic, partition)
            moves |= {move.place: move for move in _moves(consumer, positions, standing, target)}
    if not moves:
        wanted = "partition" if topic is None else topic if partition is None else f"{topic}[{partition}]"
        raise ResetRefusedError(f"group {group} reads no {wanted}: its topics have no such partition, or aren't there")
    return Plan(group=group, target=target, moves=tuple(moves[place] for place in sorted(moves)))


def _ask(
    consumer: ConsumerSettings, positions: GroupPositions, target: Target, topic: str | None, partition: int | None
) -> _Standing:
    with GroupOffsets(consumer.connection, consumer.consumer_group) as offsets:
        places = _meant(positions.places(offsets), topic, partition)
        committed, ends = positions.read(offsets, places), offsets.ends(places)
        since = _since(consumer.connection, offsets, target, ends)
    return _Standing(committed={place: committed[place] for place in places}, ends=ends, since=since)


def _seen(consumer: ConsumerSettings, lag: GroupLag, topic: str | None, partition: int | None) -> _Standing:
    topics: dict[str, list[int]] = {}
    for each in lag.partitions:
        topics.setdefault(each.topic, []).append(each.partition)
    seen = {each.place: each for each in lag.partitions}
    found = [seen[place] for place in _meant(places_of(consumer, topics), topic, partition)]
    return _Standing(
        committed={each.place: each.committed for each in found},
        ends={each.place: (each.first, each.end) for each in found if each.first is not None and each.end is not None},
        since={},
    )


def _meant(places: Iterable[Place], topic: str | None, partition: int | None) -> list[Place]:
    return [place for place in places if topic in (None, place[0]) and partition in (None, place[1])]


def _moves(consumer: ConsumerSettings, group: GroupPositions, standing: _Standing, target: Target) -> Iterator[Move]:
    for place, position in standing.committed.items():
        first, end = standing.ends.get(place, (0, 0))
        start = group.start(first, end) if position is None else position
        since = standing.since.get(place, end)
        wanted = _wanted(target, start, first, end, since) if place in standing.ends else None
        to = None if wanted is None else min(max(wanted, first), end)
        yield Move(
            consumer=consumer,
            topic=place[0],
            partition=place[1],
            start=start,
            to=to,
            clamped=None if wanted is None else _why_clamped(target, wanted, first, end),
        )


def _wanted(target: Target, start: int, first: int, end: int, since: int) -> int:
    match target:
        case Edge(is_end=is_end):
            return end if is_end else first
        case Offset(number=number):
            return number
        case Shift(by=by):
            return start + by
        case Moment():
            return since


def _why_clamped(target: Target, wanted: int, first: int, end: int) -> str | None:
    if isinstance(target, Moment) and wanted == first < end:
        return gettext("the first message that is there, %(first)d, is from then or later") % {"first": first}
    if wanted < first:
        return gettext("%(offset)d is before the first message that is left, %(first)d") % {
            "offset": wanted,
            "first": first,
        }
    return gettext("%(offset)d is beyond the end, %(end)d") % {"offset": wanted, "end": end} if wanted > end else None


def _since(
    connection: Connection, offsets: GroupOffsets, target: Target, ends: Mapping[Place, Ends]
) -> Mapping[Place, int]:
    """Where what was written since then begins; the end where nothing was: the next one that comes is the first."""
    if not isinstance(target, Moment):
        return {}
    if transport_of(connection).finds_offsets_by_time:
        found = offsets.at(ends, target.milliseconds)
    else:
        found = _read_since(connection, target, ends)
    _require_all(found, ends)
    return found


def _read_since(connection: Connection, target: Moment, ends: Mapping[Place, Ends]) -> dict[Place, int]:
    with Records(connection) as records:
        found = records.first_since({place: first for place, (first, _) in ends.items()}, target.milliseconds)
    return {place: ends[place][1] if record is None else record.offset for place, record in found.items()}


def _require_all(found: Collection[Place], asked: Collection[Place]) -> None:
    if missing := sorted(set(asked) - set(found)):
        names = ", ".join(f"{topic}[{number}]" for topic, number in missing)
        raise ResetRefusedError(f"what was written since then in {names} can't be found in time: give offsets")

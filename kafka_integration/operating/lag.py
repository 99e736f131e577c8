"""How far a group is behind, from the settings of its consumers, its offsets and the ends of its partitions.

Nothing here needs the group's members, or a broker that can list groups.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from ..client.metadata.group_offsets import GroupOffsets, Place
from ..conf.values import ConsumerSettings, Settings
from ..consuming.catching_up.group_positions import GroupPositions
from ..errors import ConfigurationError
from ..topic_names import names_among
from .columns import aligned


@dataclass(frozen=True, kw_only=True)
class PartitionLag:
    """``committed`` is None where the group has not committed yet; the lag is then counted from its start policy.

    ``end`` and ``lag`` are None where they can't be known: a partition has no leader.
    """

    topic: str
    partition: int
    committed: int | None
    end: int | None
    lag: int | None


@dataclass(frozen=True, kw_only=True)
class GroupLag:
    """What a group has still to do, and the topics of its settings that don't exist (yet), or are kept from us."""

    group: str
    partitions: tuple[PartitionLag, ...]
    missing_topics: tuple[str, ...] = ()
    hidden_topics: tuple[str, ...] = ()

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


def compute_lag(settings: Settings, group: str) -> GroupLag:
    """The lag of every partition of the group's topics.

    Raises ``ConfigurationError`` for a group of no consumer, ``BrokerError`` where Kafka can't be asked.
    """
    consumers = [consumer for consumer in settings.consumers.values() if consumer.consumer_group == group]
    if not consumers:
        known = ", ".join(sorted({consumer.consumer_group for consumer in settings.consumers.values()})) or "none"
        raise ConfigurationError([f'no consumer has the consumer_group "{group}"; settings.KAFKA has: {known}'])
    found: dict[Place, PartitionLag] = {}
    missing: list[str] = []
    hidden: list[str] = []
    for connection in dict.fromkeys(consumer.connection for consumer in consumers):
        with GroupOffsets(connection, group) as offsets:
            for consumer in consumers:
                if consumer.connection == connection:
                    positions = GroupPositions(consumer)
                    lags = _lags_of(positions, offsets)
                    found |= {(lag.topic, lag.partition): lag for lag in lags}
                    for topic in _missing(consumer, lags):
                        (hidden if positions.is_hidden(topic) else missing).append(topic)
    partitions = tuple(found[place] for place in sorted(found))
    return GroupLag(
        group=group,
        partitions=partitions,
        missing_topics=tuple(dict.fromkeys(missing)),
        hidden_topics=tuple(dict.fromkeys(hidden)),
    )


def as_json(lag: GroupLag) -> str:
    """One document for programs."""
    partitions = [asdict(partition) for partition in lag.partitions]
    return json.dumps({"group": lag.group, "total": lag.total, "partitions": partitions}, indent=2)


def as_table(lag: GroupLag) -> list[str]:
    """Lines for people."""
    rows = [("TOPIC", "PARTITION", "COMMITTED", "END", "LAG")]
    for each in lag.partitions:
        committed = "-" if each.committed is None else str(each.committed)
        rows.append((each.topic, str(each.partition), committed, _shown(each.end), _shown(each.lag)))
    lines = aligned(rows, right=(1, 2, 3, 4)) if lag.partitions else []
    lines += [f"{topic}: no such topic (yet)" for topic in lag.missing_topics]
    lines += [f"{topic}: unknown, an ACL keeps it from this user" for topic in lag.hidden_topics]
    unknown = f", and unknown for {lag.unknown} partition(s)" if lag.unknown else ""
    return [*lines, f"group {lag.group}: lag {lag.known} in all{unknown}"]


def _shown(offset: int | None) -> str:
    return "unknown" if offset is None else str(offset)


def _lags_of(group: GroupPositions, offsets: GroupOffsets) -> list[PartitionLag]:
    places = group.places(offsets)
    committed, ends = group.read(offsets, places), offsets.ends(places)
    return [_lag_of(group, place, committed[place], ends.get(place)) for place in places]


def _lag_of(group: GroupPositions, place: Place, committed: int | None, ends: tuple[int, int] | None) -> PartitionLag:
    topic, number = place
    if ends is None:
        return PartitionLag(topic=topic, partition=number, committed=committed, end=None, lag=None)
    first, end = ends
    start = group.start(first, end) if committed is None else committed
    return PartitionLag(topic=topic, partition=number, committed=committed, end=end, lag=max(0, end - start))


def _missing(consumer: ConsumerSettings, lags: Iterable[PartitionLag]) -> list[str]:
    present = {lag.topic for lag in lags}
    return [topic for topic in names_among(consumer.topics) if topic not in present]

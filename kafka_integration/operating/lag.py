"""How far a group is behind, from the settings of its consumers, its offsets and the ends of its partitions.

Nothing here needs the group's members, or a broker that can list groups.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from ..client.group_offsets import GroupOffsets, Place
from ..client.topic_ids import TopicIds
from ..conf.topic_names import names_among
from ..conf.values import Connection, ConsumerSettings, Settings
from ..errors import ConfigurationError
from ..models import StoredOffset
from .columns import aligned


@dataclass(frozen=True, kw_only=True)
class PartitionLag:
    """``committed`` is None where the group has not committed yet; the lag is then counted from its start policy."""

    topic: str
    partition: int
    committed: int | None
    end: int
    lag: int


@dataclass(frozen=True, kw_only=True)
class GroupLag:
    """What a group has still to do, and the topics of its settings that don't exist (yet)."""

    group: str
    partitions: tuple[PartitionLag, ...]
    missing_topics: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return sum(partition.lag for partition in self.partitions)


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
    for connection in dict.fromkeys(consumer.connection for consumer in consumers):
        with GroupOffsets(connection, group) as offsets:
            for consumer in consumers:
                if consumer.connection == connection:
                    lags = _lags_of(consumer, offsets)
                    found |= {(lag.topic, lag.partition): lag for lag in lags}
                    missing += _missing(consumer, lags)
    partitions = tuple(found[place] for place in sorted(found))
    return GroupLag(group=group, partitions=partitions, missing_topics=tuple(dict.fromkeys(missing)))


def as_json(lag: GroupLag) -> str:
    """One document for programs."""
    partitions = [asdict(partition) for partition in lag.partitions]
    return json.dumps({"group": lag.group, "total": lag.total, "partitions": partitions}, indent=2)


def as_table(lag: GroupLag) -> list[str]:
    """Lines for people."""
    rows = [("TOPIC", "PARTITION", "COMMITTED", "END", "LAG")]
    for each in lag.partitions:
        committed = "-" if each.committed is None else str(each.committed)
        rows.append((each.topic, str(each.partition), committed, str(each.end), str(each.lag)))
    lines = aligned(rows, right=(1, 2, 3, 4)) if lag.partitions else []
    lines += [f"{topic}: no such topic (yet)" for topic in lag.missing_topics]
    return [*lines, f"group {lag.group}: lag {lag.total} in all"]


def _lags_of(consumer: ConsumerSettings, offsets: GroupOffsets) -> list[PartitionLag]:
    # Under the `consumer` protocol the broker matches patterns, against whole names.
    whole_names = consumer.group_protocol == "consumer" or consumer.connection.transport == "embedded"
    places = offsets.places(consumer.topics, whole_names=whole_names)
    committed: Mapping[Place, int | None] = offsets.committed(places)
    if consumer.offset_storage == "database":
        # These count: Kafka's follow at or below.
        committed = {**committed, **_stored(consumer, places)}
    return [_lag_of(consumer, place, committed[place], *offsets.ends(place)) for place in places]


def _lag_of(consumer: ConsumerSettings, place: Place, committed: int | None, first: int, end: int) -> PartitionLag:
    start = committed
    if start is None:
        start = first if consumer.start_with_earliest_message else end
    return PartitionLag(topic=place[0], partition=place[1], committed=committed, end=end, lag=max(0, end - start))


def _stored(consumer: ConsumerSettings, places: Iterable[Place]) -> dict[Place, int | None]:
    ids = _topic_ids(consumer.connection, {topic for topic, _ in places})
    rows = StoredOffset.objects.using(consumer.database).filter(group=consumer.consumer_group, topic__in=ids)
    return {
        (row.topic, row.partition): row.next_offset
        for row in rows
        if (row.topic, row.partition) in places and row.topic_id == ids[row.topic]
    }


def _topic_ids(connection: Connection, topics: Iterable[str]) -> dict[str, str]:
    ids = TopicIds(connection)
    return {topic: ids.ask(topic) for topic in topics}


def _missing(consumer: ConsumerSettings, lags: Iterable[PartitionLag]) -> list[str]:
    present = {lag.topic for lag in lags}
    return [topic for topic in names_among(consumer.topics) if topic not in present]

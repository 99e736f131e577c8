"""How far a group is behind, from the settings of its consumers, its offsets and the ends of its partitions.

Nothing here needs the group's members, or a broker that can list groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from django.db import DatabaseError

from ...conf.connection import Connection
from ...conf.consumers import ConsumerSettings
from ...conf.settings import Settings
from ...errors import BrokerError, ConfigurationError
from .looking import MOST_AT_ONCE, Looked, PartitionLag, asks_a_database, look
from .members import UNKNOWN, Members, members_of
from .owners import Owners, Processes, live_processes, owners_among
from .topic_settings import NOTHING_TOLD, TopicSettings, settings_of_all


@dataclass(frozen=True, kw_only=True)
class GroupLag:
    """What a group has still to do, and the topics of its settings that don't exist (yet), or are kept from us.

    A pattern that no topic matches is among the missing ones.
    """

    group: str
    partitions: tuple[PartitionLag, ...]
    missing_topics: tuple[str, ...] = ()
    hidden_topics: tuple[str, ...] = ()
    members: Members = UNKNOWN
    settings: TopicSettings = NOTHING_TOLD
    """Of the topics in which it has something left."""

    @property
    def total(self) -> int | None:
        """None where the lag of a partition, or a topic, can't be known."""
        return None if self.unknown or self.hidden_topics else self.known

    @property
    def known(self) -> int:
        return sum(partition.lag for partition in self.partitions if partition.lag is not None)

    @property
    def deleted_ahead(self) -> int:
        """How many messages, at most, that it has yet to handle only its processes may still have."""
        return sum(partition.deleted_ahead or 0 for partition in self.partitions)

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


def compute_lag(settings: Settings, group: str, *, asks_members: bool = True) -> GroupLag:
    """The lag of every partition of the group's topics; who works on them if brokers are asked for members.

    Raises ``ConfigurationError`` for a group of no consumer, ``BrokerError`` where Kafka can't be asked.
    """
    found = compute_lags(settings, [group], asks_members=asks_members)[group]
    if isinstance(found, Exception):
        raise found
    return found


def compute_lags(
    settings: Settings, groups: Iterable[str], *, asks_members: bool = True
) -> dict[str, GroupLag | BrokerError | DatabaseError]:
    """The same of many groups, each cluster asked once; a group's error hides no other."""
    consumers = {group: consumers_of(settings, group) for group in groups}
    processes = live_processes(settings.operations)
    looked = _look_at_clusters(consumers, asks_members=asks_members)
    return {
        group: _lag_of(group, [found[group] for found in looked if group in found], processes, settings)
        for group in consumers
    }


def consumers_of(settings: Settings, group: str) -> list[ConsumerSettings]:
    """The consumers whose group this is; ``ConfigurationError`` where there is none."""
    consumers = [consumer for consumer in settings.consumers.values() if consumer.consumer_group == group]
    if not consumers:
        known = ", ".join(sorted({consumer.consumer_group for consumer in settings.consumers.values()})) or "none"
        raise ConfigurationError([f'no consumer has the consumer_group "{group}"; settings.KAFKA has: {known}'])
    return consumers


def _look_at_clusters(
    consumers: Mapping[str, Sequence[ConsumerSettings]], *, asks_members: bool
) -> list[Mapping[str, Looked]]:
    clusters: dict[Connection, dict[str, list[ConsumerSettings]]] = {}
    for group, of_group in consumers.items():
        for consumer in of_group:
            clusters.setdefault(consumer.connection, {}).setdefault(group, []).append(consumer)
    if not clusters:
        return []
    with ThreadPoolExecutor(MOST_AT_ONCE) as beside:
        # Who asks a database does it in this thread: each other one would connect to it.
        looks = [
            partial(look, connection, groups, asks_members=asks_members)
            if asks_a_database(chain(*groups.values()))
            else beside.submit(look, connection, groups, asks_members=asks_members).result
            for connection, groups in clusters.items()
        ]
        return [each() for each in looks]


def _lag_of(
    group: str, looked: Sequence[Looked], processes: Processes, settings: Settings
) -> GroupLag | BrokerError | DatabaseError:
    problem = next((each.problem for each in looked if each.problem is not None), None)
    if problem is not None:
        return problem
    found = {place: lag for each in looked for place, lag in each.lags.items()}
    owners = owners_among([each.members for each in looked], group, processes, settings.operations)
    return GroupLag(
        group=group,
        partitions=tuple(_owned(found[place], owners) for place in sorted(found)),
        missing_topics=tuple(dict.fromkeys(topic for each in looked for topic in each.missing_topics)),
        hidden_topics=tuple(dict.fromkeys(topic for each in looked for topic in each.hidden_topics)),
        members=members_of(owners),
        settings=settings_of_all([each.settings for each in looked]),
    )


def _owned(lag: PartitionLag, owners: Owners) -> PartitionLag:
    state, reason, stuck_offset = owners.state_of(lag.place, lag.lag, lag.lost)
    return replace(lag, state=state, reason=reason, stuck_offset=stuck_offset, owner=owners.of(lag.place))

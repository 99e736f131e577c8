"""Which topics the settings name, and what they should look like, cluster by cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...conf.connection import Connection
from ...conf.consumers import ConsumerSettings
from ...conf.frozen import EMPTY
from ...conf.producers import TopicSettings
from ...conf.settings import Settings
from ...topic_names import cover, names_among


@dataclass(frozen=True, kw_only=True)
class WantedTopic:
    """One topic; what is None its cluster decides. ``is_declared`` where ``"topics"`` says what it should be like."""

    name: str
    partitions: int | None = None
    replication_factor: int | None = None
    config: Mapping[str, str | None] = EMPTY
    is_declared: bool = False


@dataclass(frozen=True, kw_only=True)
class WantedCluster:
    """The topics of one cluster that are named, sorted, and the consumers that read these or others by pattern."""

    connection: Connection
    topics: tuple[WantedTopic, ...]
    consumers: tuple[ConsumerSettings, ...] = field(default=(), repr=False)
    produced: frozenset[str] = frozenset()
    """The topics that we write to."""
    dead_letter_topics: Mapping[str, str] = EMPTY
    """Those to which dead letters are copied, with the name of a consumer whose they are."""

    def names(self, topic: str) -> bool:
        """Whether the settings mean this topic."""
        return any(wanted.name == topic for wanted in self.topics) or bool(self.readers_of(topic))

    def readers_of(self, topic: str) -> list[ConsumerSettings]:
        """The consumers that read it."""
        return [consumer for consumer in self.consumers if reads(consumer, topic)]


def wanted_clusters(settings: Settings) -> list[WantedCluster]:
    """The clusters that the settings lead to. A topic belongs to those whose clients name it, else to the first.

    Topics of a consumer that is off are nobody's.
    """
    by_cluster: dict[object, list[_Use]] = {}
    for use in _uses(settings):
        cluster = (use.connection.transport, frozenset(use.connection.servers))
        by_cluster.setdefault(cluster, []).append(use)
    named = {entry for uses in by_cluster.values() for use in uses for entry in use.entries}
    others = [name for name in settings.topics if name not in named]
    return [
        _cluster(uses, settings.topics, others if number == 0 else ())
        for number, uses in enumerate(by_cluster.values())
    ]


def cluster_of(clusters: list[WantedCluster], topic: str) -> WantedCluster | None:
    """The cluster in which somebody would look for a topic: the first that the settings mean it in, else the first."""
    return next((cluster for cluster in clusters if cluster.names(topic)), next(iter(clusters), None))


def reads(consumer: ConsumerSettings, topic: str) -> bool:
    """Whether a consumer reads this topic, by name or by a pattern that its group protocol understands so."""
    whole = consumer.group_protocol == "consumer" or consumer.connection.transport == "embedded"
    return cover(consumer.topics, topic, whole_names=whole)


@dataclass(frozen=True, kw_only=True)
class _Use:
    """Who names topics, or patterns of them, in the cluster of a connection."""

    connection: Connection
    entries: tuple[str, ...] = ()
    reader: ConsumerSettings | None = None
    is_writer: bool = False
    dead_letters_of: str | None = None


def _uses(settings: Settings) -> Iterator[_Use]:
    producer = settings.producer
    if _leads_somewhere(settings.connection):
        yield _Use(connection=settings.connection)
    if _leads_somewhere(producer.connection):
        yield _Use(connection=producer.connection, entries=producer.topics, is_writer=True)
    for consumer in settings.consumers.values():
        if consumer.enabled:
            yield _Use(connection=consumer.connection, entries=consumer.topics, reader=consumer)
            if consumer.dead_letter_topic:
                # As their copies are produced.
                home = producer.connection if _leads_somewhere(producer.connection) else consumer.connection
                topics = (consumer.dead_letter_topic,)
                yield _Use(connection=home, entries=topics, is_writer=True, dead_letters_of=consumer.name)


def _leads_somewhere(connection: Connection) -> bool:
    return connection.transport != "kafka" or bool(connection.servers)


def _cluster(uses: list[_Use], declared: Mapping[str, TopicSettings], others: Iterable[str]) -> WantedCluster:
    entries = [entry for use in uses for entry in use.entries]
    return WantedCluster(
        connection=uses[0].connection,
        topics=tuple(_wanted(name, declared.get(name)) for name in sorted({*names_among(entries), *others})),
        consumers=tuple(use.reader for use in uses if use.reader is not None),
        produced=frozenset(entry for use in uses if use.is_writer for entry in use.entries),
        dead_letter_topics={use.entries[0]: use.dead_letters_of for use in uses if use.dead_letters_of is not None},
    )


def _wanted(name: str, declared: TopicSettings | None) -> WantedTopic:
    if declared is None:
        return WantedTopic(name=name)
    return WantedTopic(
        name=name,
        partitions=declared.partitions,
        replication_factor=declared.replication_factor,
        config={str(key): config_text(value) for key, value in declared.config.items()},
        is_declared=True,
    )


def config_text(value: Any) -> str | None:
    """A setting of a topic as Kafka writes it: ``"true"``, ``"1000"``, ``"compact,delete"``; None for none."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)

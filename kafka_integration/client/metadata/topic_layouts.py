"""Which topics a cluster has, and which brokers hold their partitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError

from ...conf.connection import Connection
from ..errors.translate import translate
from .admin import Admin, Asker

TOPICS = "topics of the cluster"


@dataclass(frozen=True, kw_only=True)
class PartitionLayout:
    """One partition; ``leader`` is None while it has none."""

    number: int
    leader: int | None
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class TopicLayout:
    """One topic; ``trouble`` says why its partitions can't be told, where they can't."""

    name: str
    partitions: tuple[PartitionLayout, ...] = ()
    trouble: str = ""

    @property
    def replication_factor(self) -> int | None:
        """The least of its partitions', which a reassignment may make differ; None where it can't be told."""
        return min((len(partition.replicas) for partition in self.partitions), default=None)


@dataclass(frozen=True, kw_only=True)
class ClusterLayout:
    """The topics that this user may see, by name, and how many brokers are up."""

    brokers: int
    topics: Mapping[str, TopicLayout]


class TopicLayouts(Asker):
    """Asks one cluster for all of its topics: a question for one would make it, where topics appear on first use."""

    def __init__(self, by: Connection | Admin) -> None:
        self._ask_by(by, asks_for=TOPICS)

    def ask(self) -> ClusterLayout:
        """The topics now; ``BrokerError`` if they can't be told."""
        with self._admin.question(TOPICS) as (client, timeout):
            metadata = client.list_topics(timeout=timeout)
        topics = {name: _layout(name, topic) for name, topic in metadata.topics.items() if not _is_gone(topic)}
        return ClusterLayout(brokers=len(metadata.brokers), topics=topics)


def _is_gone(topic: Any) -> bool:
    return topic.error is not None and topic.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def _layout(name: str, topic: Any) -> TopicLayout:
    if topic.error is not None:
        return TopicLayout(name=name, trouble=str(translate(topic.error, place=f"topic {name}")))
    partitions = sorted(topic.partitions.values(), key=lambda partition: int(partition.id))
    return TopicLayout(
        name=name,
        partitions=tuple(
            PartitionLayout(
                number=each.id,
                leader=each.leader if each.leader >= 0 else None,
                replicas=tuple(each.replicas),
                in_sync=tuple(each.isrs),
            )
            for each in partitions
        ),
    )

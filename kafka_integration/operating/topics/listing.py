"""Which topics there are."""

from __future__ import annotations

from dataclasses import dataclass

from ...client.metadata.topic_layouts import ClusterLayout, TopicLayouts
from ...conf.settings import Settings
from ...topic_names import INTERNAL_TOPICS
from .wanted import WantedCluster, wanted_clusters


@dataclass(frozen=True, kw_only=True)
class ListedTopic:
    """One topic; numbers are None where they can't be told. ``configured`` where the settings mean it."""

    topic: str
    partitions: int | None
    replication_factor: int | None
    configured: bool


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The topics there are, and those that the settings name and that aren't there."""

    topics: tuple[ListedTopic, ...]
    missing: tuple[str, ...] = ()


def list_topics(settings: Settings) -> Listing:
    """The topics of all clusters of the settings, as far as this user may see them, without Kafka's own."""
    found: list[ListedTopic] = []
    missing: list[str] = []
    for wanted in wanted_clusters(settings):
        with TopicLayouts(wanted.connection) as layouts:
            layout = layouts.ask()
        missing += [each.name for each in wanted.topics if each.name not in layout.topics]
        found += listed_topics(wanted, layout)
    return Listing(topics=tuple(found), missing=tuple(missing))


def listed_topics(wanted: WantedCluster, layout: ClusterLayout) -> list[ListedTopic]:
    """The topics of one cluster, sorted."""
    return [
        ListedTopic(
            topic=name,
            partitions=None if topic.trouble else len(topic.partitions),
            replication_factor=topic.replication_factor,
            configured=wanted.names(name),
        )
        for name, topic in sorted(layout.topics.items())
        if name not in INTERNAL_TOPICS
    ]

"""What would have to change for the topics to be as the settings say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from django.utils.translation import gettext as _

from ...client.metadata.topic_configs import Config
from ...client.metadata.topic_layouts import TopicLayout
from ...client.transports.choosing import transport_of
from ...conf.connection import Connection
from ...conf.settings import Settings
from .consequences import of_added_partitions, of_config, of_creation, of_fixed_partitions
from .reading import ClusterState, read_cluster, untold
from .wanted import WantedTopic, wanted_clusters

Action = Literal["create", "add_partitions", "set_config"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing to do in the cluster of ``connection``; ``warning`` is what else it does, where that was asked for."""

    topic: str
    action: Action
    before: Any
    after: Any
    warning: str | None = None
    connection: Connection


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What there is to do, in the order in which it is done; ``obstacles`` are what can't be done, with the reasons."""

    changes: tuple[Change, ...]
    obstacles: tuple[str, ...] = ()


def plan_topics(settings: Settings) -> Plan:
    """Compare the settings with their clusters; ``BrokerError`` if one can't be asked.

    What ``"topics"`` doesn't say is left as it is: a topic that is only named is made if it isn't there, with what its
    cluster gives by itself, and never changed.
    """
    changes: list[Change] = []
    obstacles: list[str] = []
    for wanted in wanted_clusters(settings):
        state = read_cluster(wanted)
        changes += [warned(change, state) for change in changes_of(state)]
        obstacles += obstacles_of(state)
    return Plan(changes=tuple(changes), obstacles=tuple(obstacles))


def changes_of(state: ClusterState) -> Iterator[Change]:
    """What is to do in one cluster, topic by topic, without warnings."""
    for wanted in state.wanted.topics:
        topic = state.layout.topics.get(wanted.name)
        if topic is None:
            yield _creation(wanted, state)
        elif wanted.is_declared and not topic.trouble and transport_of(state.connection).takes_admin_requests:
            yield from _partitions_added(wanted, topic, state)
            yield from _config_set(wanted, state)


def warned(change: Change, state: ClusterState) -> Change:
    """The change with what else it does, for which the cluster may be asked again."""
    if change.action == "create":
        wanted = next(each for each in state.wanted.topics if each.name == change.topic)
        fixed = transport_of(state.connection).topic_partitions
        warning = of_creation(wanted, brokers=state.layout.brokers, fixed_partitions=fixed)
    elif change.action == "add_partitions":
        warning = of_added_partitions(state.configs.get(change.topic, {}))
    else:
        warning = of_config(change.topic, change.after, state)
    return replace(change, warning=warning)


def obstacles_of(state: ClusterState) -> Iterator[str]:
    """What the settings say and can't be done here."""
    for wanted in state.wanted.topics:
        topic = state.layout.topics.get(wanted.name)
        if topic is not None and topic.trouble:
            text = _("%(topic)s: it can't be told what it is like: %(trouble)s")
            yield text % {"topic": wanted.name, "trouble": topic.trouble}
        elif topic is not None:
            yield from (f"{wanted.name}: {text}" for text in differences_for_good(wanted, topic, state))
    yield from untold_settings_of(state)


def untold_settings_of(state: ClusterState) -> Iterator[str]:
    """The topics of which what the settings say can't be chosen, or not be compared, and why."""
    fixed = transport_of(state.connection).topic_partitions
    for wanted in state.wanted.topics:
        topic = state.layout.topics.get(wanted.name)
        if topic is None or topic.trouble:
            continue
        if fixed is not None and wanted.partitions not in (None, fixed):
            yield f"{wanted.name}: {of_fixed_partitions(fixed)}"
        elif wanted.config and wanted.name not in state.configs:
            yield f"{wanted.name}: {untold(state.connection)}"


def differences_for_good(wanted: WantedTopic, topic: TopicLayout, state: ClusterState) -> Iterator[str]:
    """What no change of ours makes as the settings say, though somebody could."""
    if transport_of(state.connection).topic_partitions is not None:
        return
    there = len(topic.partitions)
    if wanted.partitions is not None and wanted.partitions < there:
        text = _(
            'it has %(there)d partitions, KAFKA["topics"] says %(wanted)d: Kafka can\'t take partitions away; say '
            "%(there)d, or make another topic and move to it"
        )
        yield text % {"there": there, "wanted": wanted.partitions}
    if wanted.replication_factor is not None and wanted.replication_factor != topic.replication_factor:
        text = _(
            'its replication factor is %(there)s, KAFKA["topics"] says %(wanted)d: kafka-reassign-partitions changes '
            "that, not this command"
        )
        yield text % {"there": topic.replication_factor, "wanted": wanted.replication_factor}


def _creation(wanted: WantedTopic, state: ClusterState) -> Change:
    fixed = transport_of(state.connection).topic_partitions
    after = {
        "partitions": wanted.partitions if fixed is None else fixed,
        "replication_factor": wanted.replication_factor if fixed is None else 1,
        "config": {} if fixed is not None else {k: v for k, v in wanted.config.items() if v is not None},
    }
    return Change(topic=wanted.name, action="create", before=None, after=after, connection=state.connection)


def _partitions_added(wanted: WantedTopic, topic: TopicLayout, state: ClusterState) -> Iterator[Change]:
    there = len(topic.partitions)
    if wanted.partitions is not None and wanted.partitions > there:
        yield Change(
            topic=topic.name,
            action="add_partitions",
            before=there,
            after=wanted.partitions,
            connection=state.connection,
        )


def _config_set(wanted: WantedTopic, state: ClusterState) -> Iterator[Change]:
    config = state.configs.get(wanted.name)
    if config is None:
        return
    after = {name: value for name, value in wanted.config.items() if not _is_as_wanted(config, name, value)}
    if after:
        yield Change(
            topic=wanted.name,
            action="set_config",
            before={name: config[name].value if name in config else None for name in after},
            after=after,
            connection=state.connection,
        )


def _is_as_wanted(config: Config, name: str, value: str | None) -> bool:
    found = config.get(name)
    if value is None:
        return found is None or not found.is_own
    return found is not None and found.value is not None and _meaning(found.value) == _meaning(value)


def _meaning(value: str) -> object:
    """What two texts that mean one setting have in common: ``"0.50"`` and ``"0.5"``, ``"a,b"`` and ``"b,a"``."""
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError:
        return frozenset(part.strip() for part in value.split(","))


def as_dict(change: Change) -> Mapping[str, Any]:
    """The change for programs."""
    return {
        "topic": change.topic,
        "action": change.action,
        "from": change.before,
        "to": change.after,
        "warning": change.warning,
    }

"""What is wrong with the topics of the settings, and what to do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...client.metadata.group_members import GroupMembers
from ...client.metadata.topic_layouts import PartitionLayout, TopicLayout
from ...conf.consumers import ConsumerSettings
from ...conf.settings import Settings
from ...errors import BrokerError
from .consequences import CLEANUP, IN_SYNC, is_compacted, number_of
from .planning import Change, changes_of, differences_for_good
from .reading import ClusterState, read_cluster
from .wanted import reads, wanted_clusters

OFFSETS = "__consumer_offsets"
MOST_NUMBERS = 10
"""Partitions that a problem names; of more it says how many there are."""


@dataclass(frozen=True, kw_only=True)
class TopicProblem:
    """One thing that is wrong with one topic."""

    topic: str
    problem: str
    remedy: str


def find_topic_problems(settings: Settings) -> list[TopicProblem]:
    """What is wrong with the topics that the settings mean; ``BrokerError`` if a cluster can't be asked."""
    return [problem for wanted in wanted_clusters(settings) for problem in problems_of(read_cluster(wanted))]


def problems_of(state: ClusterState) -> Iterator[TopicProblem]:
    """What is wrong in one cluster."""
    yield from problems_beside_a_plan(state)
    yield from _of_changes(state)


def problems_beside_a_plan(state: ClusterState) -> Iterator[TopicProblem]:
    """Those that a plan for the cluster doesn't say: what differs from the settings, and can be changed, it says."""
    for topic in state.ours:
        yield from _of_partitions(topic, state)
        yield from _of_replicas(topic, state)
    if OFFSETS in state.layout.topics and OFFSETS not in {topic.name for topic in state.ours}:
        yield from _of_partitions(state.layout.topics[OFFSETS], state)
    yield from _of_settings(state)
    yield from _of_dead_letters(state)
    with GroupMembers(state.connection) as members:
        yield from _of_members(state, members)


def _of_partitions(topic: TopicLayout, state: ClusterState) -> Iterator[TopicProblem]:
    if topic.trouble:
        yield TopicProblem(topic=topic.name, problem=topic.trouble, remedy=_("Look at the log of the brokers."))
        return
    without = [each for each in topic.partitions if each.leader is None]
    if without:
        yield TopicProblem(
            topic=topic.name,
            problem=_("no leader for %(partitions)s: nothing can be read or written there")
            % {"partitions": _numbers(without)},
            remedy=_("Bring the brokers of its replicas back."),
        )
    needed = number_of(state.configs.get(topic.name, {}), IN_SYNC)
    led = [each for each in topic.partitions if each.leader is not None and len(each.in_sync) < len(each.replicas)]
    short = [each for each in led if needed is not None and len(each.in_sync) < needed <= len(each.replicas)]
    if short:
        yield TopicProblem(
            topic=topic.name,
            problem=_(
                "fewer replicas in sync than %(setting)s %(needed)d asks for: %(partitions)s; nothing can be written "
                "there that waits for all of them"
            )
            % {"setting": IN_SYNC, "needed": needed, "partitions": _numbers(short)},
            remedy=_("Bring the missing brokers back."),
        )
    if behind := [each for each in led if each not in short]:
        yield TopicProblem(
            topic=topic.name,
            problem=_("replicas that are not in sync: %(partitions)s") % {"partitions": _numbers(behind)},
            remedy=_("Bring the missing brokers back, or wait until their replicas have caught up."),
        )


def _of_replicas(topic: TopicLayout, state: ClusterState) -> Iterator[TopicProblem]:
    factor, needed = topic.replication_factor, number_of(state.configs.get(topic.name, {}), IN_SYNC)
    if factor is None:
        return
    if factor == 1 and state.layout.brokers > 1:
        yield TopicProblem(
            topic=topic.name,
            problem=_("replication factor 1 on a cluster of %(brokers)d brokers: each partition has one copy")
            % {"brokers": state.layout.brokers},
            remedy=_("Give it more replicas with kafka-reassign-partitions."),
        )
    if needed is None:
        return
    values = {"setting": IN_SYNC, "needed": needed, "factor": factor, "fewer": factor - 1}
    if needed > factor:
        yield TopicProblem(
            topic=topic.name,
            problem=_("%(setting)s is %(needed)d, with %(factor)d replica(s): what waits for all of them is refused")
            % values,
            remedy=_("Lower %(setting)s, or give it more replicas with kafka-reassign-partitions.") % values,
        )
    elif needed == factor > 1:
        yield TopicProblem(
            topic=topic.name,
            problem=_(
                "%(setting)s is %(needed)d, as many as it has replicas: with one broker away nothing can be written"
            )
            % values,
            remedy=_("Set %(setting)s to %(fewer)d, or give it one more replica with kafka-reassign-partitions.")
            % values,
        )


def _of_settings(state: ClusterState) -> Iterator[TopicProblem]:
    for wanted in state.missing:
        yield TopicProblem(
            topic=wanted.name,
            problem=_("the settings name it, and it isn't there, or an ACL hides it"),
            remedy=_("Make it: kafkatopics plan, then apply. Or correct the name, or grant this user DESCRIBE on it."),
        )
    for wanted in state.wanted.topics:
        topic = state.layout.topics.get(wanted.name)
        for text in differences_for_good(wanted, topic, state) if topic is not None and not topic.trouble else ():
            yield TopicProblem(topic=wanted.name, problem=text, remedy=_('Correct KAFKA["topics"].'))


def _of_changes(state: ClusterState) -> Iterator[TopicProblem]:
    for change in changes_of(state):
        if change.action != "create":
            yield TopicProblem(
                topic=change.topic,
                problem=_('not as KAFKA["topics"] says: %(difference)s') % {"difference": _difference(change)},
                remedy=_("kafkatopics plan, then apply; or correct the settings."),
            )


def _of_dead_letters(state: ClusterState) -> Iterator[TopicProblem]:
    for name, consumer in state.wanted.dead_letter_topics.items():
        config = state.configs.get(name, {})
        if CLEANUP in config and is_compacted(config[CLEANUP].value):
            values = {"setting": CLEANUP, "policy": config[CLEANUP].value, "consumer": consumer}
            yield TopicProblem(
                topic=name,
                problem=_(
                    '%(setting)s is %(policy)s, and it is the dead_letter_topic of consumer "%(consumer)s": of dead '
                    "letters with one key the newest alone is kept, and without a key they are refused"
                )
                % values,
                remedy=_('Set %(setting)s to "delete", or choose another dead_letter_topic.') % values,
            )


def _of_members(state: ClusterState, asker: GroupMembers) -> Iterator[TopicProblem]:
    groups: dict[str, list[ConsumerSettings]] = {}
    for consumer in state.wanted.consumers:
        groups.setdefault(consumer.consumer_group, []).append(consumer)
    read = {
        group: [topic for topic in state.ours if any(reads(each, topic.name) for each in consumers)]
        for group, consumers in groups.items()
    }
    counts = _counts(asker, [group for group, topics in read.items() if topics])
    for group, members in counts.items():
        topics = read[group]
        partitions = sum(len(topic.partitions) for topic in topics)
        if members > partitions > 0:
            yield TopicProblem(
                topic=max(topics, key=lambda topic: len(topic.partitions)).name,
                problem=_(
                    "group %(group)s has %(members)d members for %(partitions)d partition(s): %(idle)d of them have "
                    "nothing to do"
                )
                % {"group": group, "members": members, "partitions": partitions, "idle": members - partitions},
                remedy=_('Run fewer processes, or add partitions in KAFKA["topics"].'),
            )


def _counts(asker: GroupMembers, groups: Collection[str]) -> dict[str, int]:
    """How many members each has, without those of which that can't be told: it says nothing about their topics."""
    try:
        found = asker.ask_all(groups)
    except BrokerError:
        return {}
    return {group: len(each or ()) for group, each in found.items() if not isinstance(each, BrokerError)}


def _difference(change: Change) -> str:
    if change.action == "add_partitions":
        return _("%(before)d partitions, not %(after)d") % {"before": change.before, "after": change.after}
    return ", ".join(
        _("%(setting)s is %(before)s, not %(after)s")
        % {"setting": name, "before": _shown(change.before[name]), "after": _shown(to)}
        for name, to in change.after.items()
    )


def _shown(value: str | None) -> str:
    return _("the cluster's default") if value is None else value


def _numbers(partitions: Iterable[PartitionLayout]) -> str:
    numbers = [str(each.number) for each in partitions]
    shown = ", ".join(numbers[:MOST_NUMBERS])
    if len(numbers) > MOST_NUMBERS:
        return _("partition %(numbers)s, … (%(count)d in all)") % {"numbers": shown, "count": len(numbers)}
    # Translators: the numbers of the partitions follow, one or several.
    return ngettext("partition %(numbers)s", "partition %(numbers)s", len(numbers)) % {"numbers": shown}

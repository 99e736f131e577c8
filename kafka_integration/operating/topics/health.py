"""What is wrong with the topics of the settings, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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
    for topic in state.ours:
        yield from _of_partitions(topic, state)
        yield from _of_replicas(topic, state)
    if OFFSETS in state.layout.topics and OFFSETS not in {topic.name for topic in state.ours}:
        yield from _of_partitions(state.layout.topics[OFFSETS], state)
    yield from _of_settings(state)
    yield from _of_dead_letters(state)
    yield from _of_members(state)


def _of_partitions(topic: TopicLayout, state: ClusterState) -> Iterator[TopicProblem]:
    if topic.trouble:
        yield TopicProblem(topic=topic.name, problem=topic.trouble, remedy="Look at the log of the brokers.")
        return
    without = [each for each in topic.partitions if each.leader is None]
    if without:
        yield TopicProblem(
            topic=topic.name,
            problem=f"no leader for {_numbers(without)}: nothing can be read or written there",
            remedy="Bring the brokers of its replicas back.",
        )
    needed = number_of(state.configs.get(topic.name, {}), IN_SYNC)
    led = [each for each in topic.partitions if each.leader is not None and len(each.in_sync) < len(each.replicas)]
    short = [each for each in led if needed is not None and len(each.in_sync) < needed <= len(each.replicas)]
    if short:
        yield TopicProblem(
            topic=topic.name,
            problem=f"fewer replicas in sync than {IN_SYNC} {needed} asks for: {_numbers(short)}; nothing can be "
            "written there that waits for all of them",
            remedy="Bring the missing brokers back.",
        )
    if behind := [each for each in led if each not in short]:
        yield TopicProblem(
            topic=topic.name,
            problem=f"replicas that are not in sync: {_numbers(behind)}",
            remedy="Bring the missing brokers back, or wait until their replicas have caught up.",
        )


def _of_replicas(topic: TopicLayout, state: ClusterState) -> Iterator[TopicProblem]:
    factor, needed = topic.replication_factor, number_of(state.configs.get(topic.name, {}), IN_SYNC)
    if factor is None:
        return
    if factor == 1 and state.layout.brokers > 1:
        yield TopicProblem(
            topic=topic.name,
            problem=f"replication factor 1 on a cluster of {state.layout.brokers} brokers: each partition has one copy",
            remedy="Give it more replicas with kafka-reassign-partitions.",
        )
    if needed is None:
        return
    if needed > factor:
        yield TopicProblem(
            topic=topic.name,
            problem=f"{IN_SYNC} is {needed}, with {factor} replica(s): what waits for all of them is refused",
            remedy=f"Lower {IN_SYNC}, or give it more replicas with kafka-reassign-partitions.",
        )
    elif needed == factor > 1:
        yield TopicProblem(
            topic=topic.name,
            problem=f"{IN_SYNC} is {needed}, as many as it has replicas: with one broker away nothing can be written",
            remedy=f"Set {IN_SYNC} to {factor - 1}, or give it one more replica with kafka-reassign-partitions.",
        )


def _of_settings(state: ClusterState) -> Iterator[TopicProblem]:
    for wanted in state.missing:
        yield TopicProblem(
            topic=wanted.name,
            problem="the settings name it, and it isn't there, or an ACL hides it",
            remedy="Make it: kafkatopics plan, then apply. Or correct the name, or grant this user DESCRIBE on it.",
        )
    for change in changes_of(state):
        if change.action != "create":
            yield TopicProblem(
                topic=change.topic,
                problem=f'not as KAFKA["topics"] says: {_difference(change)}',
                remedy="kafkatopics plan, then apply; or correct the settings.",
            )
    for wanted in state.wanted.topics:
        topic = state.layout.topics.get(wanted.name)
        for text in differences_for_good(wanted, topic) if topic is not None and not topic.trouble else ():
            yield TopicProblem(topic=wanted.name, problem=text, remedy='Correct KAFKA["topics"].')


def _of_dead_letters(state: ClusterState) -> Iterator[TopicProblem]:
    for name, consumer in state.wanted.dead_letter_topics.items():
        config = state.configs.get(name, {})
        if CLEANUP in config and is_compacted(config[CLEANUP].value):
            policy = config[CLEANUP].value
            yield TopicProblem(
                topic=name,
                problem=f'{CLEANUP} is {policy}, and it is the dead_letter_topic of consumer "{consumer}": of dead '
                "letters with one key the newest alone is kept, and without a key they are refused",
                remedy=f'Set {CLEANUP} to "delete", or choose another dead_letter_topic.',
            )


def _of_members(state: ClusterState) -> Iterator[TopicProblem]:
    groups: dict[str, list[ConsumerSettings]] = {}
    for consumer in state.wanted.consumers:
        groups.setdefault(consumer.consumer_group, []).append(consumer)
    asker = GroupMembers(state.connection)
    for group, consumers in groups.items():
        topics = [topic for topic in state.ours if any(reads(each, topic.name) for each in consumers)]
        partitions = sum(len(topic.partitions) for topic in topics)
        members = _count(asker, group) if topics else 0
        if members > partitions > 0:
            yield TopicProblem(
                topic=max(topics, key=lambda topic: len(topic.partitions)).name,
                problem=f"group {group} has {members} members for {partitions} partition(s): "
                f"{members - partitions} of them have nothing to do",
                remedy='Run fewer processes, or add partitions in KAFKA["topics"].',
            )


def _count(asker: GroupMembers, group: str) -> int:
    """How many members the group has; 0 too where that can't be told, which says nothing about its topics."""
    try:
        return len(asker.ask(group) or ())
    except BrokerError:
        return 0


def _difference(change: Change) -> str:
    if change.action == "add_partitions":
        return f"{change.before} partitions, not {change.after}"
    return ", ".join(f"{name} is {_shown(change.before[name])}, not {_shown(to)}" for name, to in change.after.items())


def _shown(value: str | None) -> str:
    return "the cluster's default" if value is None else value


def _numbers(partitions: Iterable[PartitionLayout]) -> str:
    numbers = [str(each.number) for each in partitions]
    more = f", … ({len(numbers)} in all)" if len(numbers) > 10 else ""
    return f"partition {', '.join(numbers[:10])}{more}"

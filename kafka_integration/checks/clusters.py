"""Whether the clusters, as they are, suit the settings: asked of their brokers."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps

from ..client.metadata.allowed_operations import AllowedOperations, Operations
from ..client.metadata.group_members import GroupMembers
from ..client.metadata.topic_layouts import TopicLayout
from ..conf import Kind, Problem
from ..conf.consumers import ConsumerSettings
from ..conf.schema import DAY_MS
from ..conf.settings import Settings
from ..durations import spoken
from ..errors import BrokerError
from ..operating.topics.consequences import (
    CLEANUP,
    FOR_EVER,
    IN_SYNC,
    LARGEST,
    RETENTION_MS,
    is_compacted,
    number_of,
)
from ..operating.topics.reading import ClusterState, read_cluster
from ..operating.topics.wanted import WantedCluster, reads, wanted_clusters
from ..outbox.declarations import declarations_of
from ..producing.arguments import max_message_bytes

EMBEDDED = "embedded"
SHORTEST_RETENTION_MS = DAY_MS
"""As long as somebody may be away who is needed: what isn't handled by then is lost."""


def find_cluster_problems(settings: Settings) -> Iterator[Problem]:
    """Return what of the clusters doesn't suit the settings. One that can't be asked is one warning, within seconds."""
    for wanted in wanted_clusters(settings):
        # Nobody deploys it.
        if wanted.connection.transport == EMBEDDED:
            continue
        try:
            yield from _problems_of(wanted, settings)
        except BrokerError as error:
            yield Problem(
                kind=Kind.CLUSTER_UNKNOWN,
                text=f"{_servers(wanted)} can't be asked, so not all is known of its topics: {error}",
            )


def _problems_of(wanted: WantedCluster, settings: Settings) -> Iterator[Problem]:
    state = read_cluster(wanted)
    yield from _missing(state)
    for topic in state.ours:
        yield from _replication(topic, state)
        yield from _retention(topic, state, settings)
        yield from _without_key(topic, state)
        yield from _small_messages(topic, state, settings)
    with GroupMembers(state.connection) as members:
        yield from _few_partitions(state, members)
    with AllowedOperations(state.connection) as allowed:
        yield from _not_allowed(state, allowed)


def _missing(state: ClusterState) -> Iterator[Problem]:
    for wanted in state.missing:
        yield Problem(
            kind=Kind.MISSING_TOPIC,
            text=f"The settings name the topic {wanted.name}, and it isn't there, or an ACL hides it: make it "
            "(kafkatopics plan, then apply), or grant this user DESCRIBE on it.",
        )


def _replication(topic: TopicLayout, state: ClusterState) -> Iterator[Problem]:
    factor, needed = topic.replication_factor, number_of(state.configs.get(topic.name, {}), IN_SYNC)
    if factor is None or state.layout.brokers == 1:
        return
    if factor == 1:
        reason = (
            f"has one copy of each message, on a cluster of {state.layout.brokers} brokers: with its broker they are "
        )
        yield _of_replication(topic, f"{reason}lost; give it three replicas")
    elif needed is not None and needed >= factor:
        reason = f"has {factor} replicas and {IN_SYNC} {needed}: when one broker restarts nothing can be written"
        yield _of_replication(topic, f"{reason}; set {IN_SYNC} to {factor - 1}")
    elif needed == 1 and factor > 2 and topic.name in state.wanted.produced:
        reason = f"has {factor} replicas and {IN_SYNC} 1: a message that Kafka confirmed may be on one broker alone"
        yield _of_replication(topic, f"{reason}; set {IN_SYNC} to {factor - 1}")


def _of_replication(topic: TopicLayout, text: str) -> Problem:
    return Problem(kind=Kind.REPLICATION, text=f"The topic {topic.name} {text}.")


def _retention(topic: TopicLayout, state: ClusterState, settings: Settings) -> Iterator[Problem]:
    config, readers = state.configs.get(topic.name, {}), state.wanted.readers_of(topic.name)
    kept_ms = number_of(config, RETENTION_MS)
    if kept_ms is None or not readers or "delete" not in str(config[CLEANUP].value if CLEANUP in config else ""):
        return
    if FOR_EVER < kept_ms < SHORTEST_RETENTION_MS:
        yield Problem(
            kind=Kind.RETENTION,
            text=f"The topic {topic.name} keeps messages for {spoken(kept_ms / 1000)}: what consumer "
            f'"{readers[0].name}" has not handled by then is lost, so no outage may take longer; raise {RETENTION_MS} '
            'in KAFKA["topics"].',
        )
    remembered = settings.deduplication_retention_days
    deduplicating = next((reader for reader in readers if reader.deduplicate), None)
    if deduplicating is not None and (kept_ms == FOR_EVER or kept_ms > remembered * DAY_MS):
        kept = "for ever" if kept_ms == FOR_EVER else f"for {spoken(kept_ms / 1000)}"
        yield Problem(
            kind=Kind.RETENTION,
            text=f'The topic {topic.name} keeps messages {kept}, and consumer "{deduplicating.name}" knows repeats '
            f"for {remembered} days: older ones that are read again, after a reset say, are handled again; raise "
            'KAFKA["deduplication_retention_days"].',
        )


def _without_key(topic: TopicLayout, state: ClusterState) -> Iterator[Problem]:
    config = state.configs.get(topic.name, {})
    if CLEANUP not in config or not is_compacted(config[CLEANUP].value):
        return
    remedy = f'give it one, or set {CLEANUP} to "delete"'
    for model in apps.get_models():
        for declaration in declarations_of(model):
            if declaration.model is model and declaration.topic == topic.name and declaration.key is None:
                yield Problem(
                    kind=Kind.WITHOUT_KEY,
                    text=f"@publishes on {model._meta.label} publishes without a key to {topic.name}, which is "
                    f"compacted: Kafka refuses that; {remedy}.",
                )
    if topic.name in state.wanted.dead_letter_topics:
        yield Problem(
            kind=Kind.WITHOUT_KEY,
            text=f"The topic {topic.name} is compacted, and the dead_letter_topic of consumer "
            f'"{state.wanted.dead_letter_topics[topic.name]}": copies of messages without a key are refused, and of '
            f'one key the newest alone is kept; set {CLEANUP} to "delete", or choose another topic.',
        )


def _small_messages(topic: TopicLayout, state: ClusterState, settings: Settings) -> Iterator[Problem]:
    taken, sent = number_of(state.configs.get(topic.name, {}), LARGEST), max_message_bytes(settings.producer)
    if taken is not None and taken < sent and topic.name in state.wanted.produced:
        yield Problem(
            kind=Kind.SMALL_MESSAGES,
            text=f"The topic {topic.name} takes messages of {taken} bytes ({LARGEST}), and message.max.bytes of the "
            f"producer is {sent}: what is published between the two is refused by Kafka, and holds its key in the "
            "outbox; raise the one or lower the other.",
        )


def _few_partitions(state: ClusterState, members: GroupMembers) -> Iterator[Problem]:
    for consumer in state.wanted.consumers:
        topics = [topic for topic in state.ours if reads(consumer, topic.name)]
        partitions = sum(len(topic.partitions) for topic in topics)
        if consumer.ordering == "partition" and partitions:
            yield from _idle(consumer, partitions, max(1, len(_members(members, consumer.consumer_group))))


def _members(members: GroupMembers, group: str) -> tuple[object, ...]:
    try:
        return members.ask(group) or ()
    except BrokerError:
        return ()  # Who is in it now can't be told, and may be nobody.


def _idle(consumer: ConsumerSettings, partitions: int, members: int) -> Iterator[Problem]:
    if consumer.concurrency * members > partitions:
        several = f" in {members} members of its group" if members > 1 else ""
        yield Problem(
            kind=Kind.FEW_PARTITIONS,
            text=f'Consumer "{consumer.name}" handles {consumer.concurrency} message(s) at a time{several}, and its '
            f"topics have {partitions} partition(s), of each one is handled at a time: the rest has nothing to do; "
            'add partitions, lower "concurrency", run fewer processes, or set "ordering" to "key".',
        )


def _not_allowed(state: ClusterState, allowed: AllowedOperations) -> Iterator[Problem]:
    on_topics = allowed.on_topics([topic.name for topic in state.ours])
    for topic, operations in on_topics.items():
        if state.wanted.readers_of(topic):
            yield from _lacks(
                operations, "READ", f"topic {topic}", f'consumer "{state.wanted.readers_of(topic)[0].name}"'
            )
        if topic in state.wanted.produced:
            yield from _lacks(operations, "WRITE", f"topic {topic}", "the producer")
    by_group = {consumer.consumer_group: consumer for consumer in state.wanted.consumers}
    for group, operations in allowed.on_groups(by_group).items():
        yield from _lacks(operations, "READ", f"group {group}", f'consumer "{by_group[group].name}"')


def _lacks(operations: Operations, needed: str, place: str, who: str) -> Iterator[Problem]:
    if not operations & {needed, "ALL"}:
        yield Problem(
            kind=Kind.NOT_ALLOWED,
            text=f"The brokers don't allow this user {needed} on the {place}, which {who} needs: add an ACL.",
        )


def _servers(wanted: WantedCluster) -> str:
    return ", ".join(wanted.connection.servers) or wanted.connection.transport

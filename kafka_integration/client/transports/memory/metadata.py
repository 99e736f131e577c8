"""What the memory broker tells of its topics, as the client gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from confluent_kafka import (
    ConsumerGroupState,
    KafkaError,
    KafkaException,
    Node,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public there, but not re-exported by its types
    AlterConfigOpType,
    BrokerMetadata,
    ClusterMetadata,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    ConsumerGroupDescription,
    MemberAssignment,
    MemberDescription,
    NewPartitions,
    NewTopic,
    PartitionMetadata,
    TopicMetadata,
)
from confluent_kafka.admin._listoffsets import EarliestSpec, LatestSpec, ListOffsetsResultInfo, OffsetSpec

from .broker import PARTITIONS, MemoryBroker, MemoryTopic
from .places import failure

T = TypeVar("T")

ONLY_BROKER = 1

# Of Kafka's own defaults those that somebody here looks at.
DEFAULT_CONFIG = {
    "cleanup.policy": "delete",
    "max.message.bytes": "1048588",
    "min.insync.replicas": "1",
    "retention.bytes": "-1",
    "retention.ms": "604800000",
}

__all__ = ["ClusterMetadata", "MemoryAdmin", "cluster_metadata"]


class MemoryAdmin:
    """confluent-kafka's ``AdminClient``, as far as this package calls it; answers are there at once."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def __exit__(self, *_: object) -> None:
        """It has nothing to end."""

    def poll(self, timeout: float = -1) -> int:
        """It has nothing to report."""
        return 0

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> ClusterMetadata:
        return cluster_metadata(self._broker, topic)

    def list_offsets(
        self, asked: Mapping[TopicPartition, OffsetSpec], **options: object
    ) -> dict[TopicPartition, Future[ListOffsetsResultInfo]]:
        """The first offset of partitions, or the one after the last, or the first that isn't older than a moment."""
        return {place: _answered(self._offset, place, spec) for place, spec in asked.items()}

    def describe_consumer_groups(
        self, groups: Iterable[str], **options: object
    ) -> dict[str, Future[ConsumerGroupDescription]]:
        """Who is in these groups, and what each member has."""
        return {group: _answered(self._group, group) for group in groups}

    def create_topics(self, topics: list[NewTopic], **options: object) -> dict[str, Future[None]]:
        """Makes topics that aren't there."""
        return {new.topic: _answered(self._create, new) for new in topics}

    def create_partitions(self, topics: list[NewPartitions], **options: object) -> dict[str, Future[None]]:
        """Adds partitions; refused where there are as many already."""
        return {new.topic: _answered(self._add_partitions, new) for new in topics}

    def describe_configs(
        self, resources: list[ConfigResource], **options: object
    ) -> dict[ConfigResource, Future[dict[str, ConfigEntry]]]:
        """The settings of topics, with some of Kafka's defaults."""
        return {resource: _answered(self._config, resource.name) for resource in resources}

    def incremental_alter_configs(
        self, resources: list[ConfigResource], **options: object
    ) -> dict[ConfigResource, Future[None]]:
        """Keeps settings of topics, which nothing follows here."""
        return {resource: _answered(self._alter, resource) for resource in resources}

    def _group(self, name: str) -> ConsumerGroupDescription:
        with self._broker.changed:
            members = [
                MemberDescription(
                    member_id,
                    member_id,
                    "memory",
                    MemberAssignment([TopicPartition(*place) for place in share]),
                )
                for member_id, share in self._broker.group(name).shares.items()
            ]
        state = ConsumerGroupState.STABLE if members else ConsumerGroupState.EMPTY
        return ConsumerGroupDescription(name, False, members, "range", state, Node(ONLY_BROKER, "memory", 0))

    def _offset(self, place: TopicPartition, spec: OffsetSpec) -> ListOffsetsResultInfo:
        partition = self._broker.partition(place.topic, place.partition)
        if isinstance(spec, EarliestSpec):
            return ListOffsetsResultInfo(partition.low_offset, -1, -1)
        if isinstance(spec, LatestSpec):
            return ListOffsetsResultInfo(partition.end_offset, -1, -1)
        moment = spec._value
        found = next((record.offset for record in partition.records if record.timestamp_ms >= moment), -1)
        return ListOffsetsResultInfo(found, -1, -1)

    def _create(self, new: NewTopic) -> None:
        with self._broker.changed:
            if new.topic in self._broker.topics:
                raise failure(KafkaError.TOPIC_ALREADY_EXISTS, f"Topic '{new.topic}' already exists.")
            if new.replication_factor > 1:
                raise failure(KafkaError.INVALID_REPLICATION_FACTOR, "Replication factor larger than available brokers")
            topic = self._broker.create_topic(new.topic, new.num_partitions if new.num_partitions > 0 else PARTITIONS)
            topic.config.update(new.config or {})

    def _add_partitions(self, new: NewPartitions) -> None:
        with self._broker.changed:
            there = len(self._topic(new.topic).partitions)
            if new.new_total_count <= there:
                raise failure(KafkaError.INVALID_PARTITIONS, f"Topic already has {there} partitions.")
            self._broker.create_topic(new.topic, new.new_total_count)

    def _config(self, name: str) -> dict[str, ConfigEntry]:
        own = self._topic(name).config
        sources = dict.fromkeys(DEFAULT_CONFIG, ConfigSource.DEFAULT_CONFIG)
        sources |= dict.fromkeys(own, ConfigSource.DYNAMIC_TOPIC_CONFIG)
        values = DEFAULT_CONFIG | own
        return {key: ConfigEntry(key, value, source=sources[key]) for key, value in values.items()}

    def _alter(self, resource: ConfigResource) -> None:
        config = self._topic(resource.name).config
        for entry in resource.incremental_configs:
            if entry.incremental_operation is AlterConfigOpType.DELETE or entry.value is None:
                config.pop(entry.name, None)
            else:
                config[entry.name] = entry.value

    def _topic(self, name: str) -> MemoryTopic:
        if name not in self._broker.topics:
            raise failure(KafkaError.UNKNOWN_TOPIC_OR_PART, f"Unknown topic {name}")
        return self._broker.topics[name]


def _answered(answer: Callable[..., T], *asked: Any) -> Future[T]:
    future: Future[T] = Future()
    try:
        future.set_result(answer(*asked))
    except KafkaException as error:
        future.set_exception(error)
    return future


def cluster_metadata(broker: MemoryBroker, topic: str | None = None) -> ClusterMetadata:
    """All topics, or the one asked for, with an error where it doesn't exist."""
    metadata = ClusterMetadata()
    metadata.brokers[ONLY_BROKER] = BrokerMetadata()
    with broker.changed:
        for name in sorted(broker.topics) if topic is None else [topic]:
            metadata.topics[name] = _topic_metadata(broker, name)
    return metadata


def _topic_metadata(broker: MemoryBroker, name: str) -> TopicMetadata:
    metadata = TopicMetadata()
    metadata.topic = name
    if name not in broker.topics:
        metadata.error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
        return metadata
    for number in range(len(broker.topics[name].partitions)):
        partition = PartitionMetadata()
        partition.id, partition.leader, partition.replicas, partition.isrs = (
            number,
            ONLY_BROKER,
            [ONLY_BROKER],
            [ONLY_BROKER],
        )
        metadata.partitions[number] = partition
    return metadata

"""What the memory broker tells of its topics, as the client gives it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public there, but not re-exported by its types
    ClusterMetadata,
    PartitionMetadata,
    TopicMetadata,
)
from confluent_kafka.admin._listoffsets import EarliestSpec, ListOffsetsResultInfo, OffsetSpec

from .broker import MemoryBroker

__all__ = ["ClusterMetadata", "MemoryAdmin", "cluster_metadata"]


class MemoryAdmin:
    """confluent-kafka's ``AdminClient``, as far as this package calls it; answers are there at once."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> ClusterMetadata:
        return cluster_metadata(self._broker, topic)

    def list_offsets(
        self, asked: Mapping[TopicPartition, OffsetSpec], **options: object
    ) -> dict[TopicPartition, Future[ListOffsetsResultInfo]]:
        """The first offset of partitions, or the one after the last."""
        return {place: self._offset(place, isinstance(spec, EarliestSpec)) for place, spec in asked.items()}

    def _offset(self, place: TopicPartition, is_first: bool) -> Future[ListOffsetsResultInfo]:
        answer: Future[ListOffsetsResultInfo] = Future()
        try:
            partition = self._broker.partition(place.topic, place.partition)
            offset = partition.low_offset if is_first else partition.end_offset
            answer.set_result(ListOffsetsResultInfo(offset, -1, -1))
        except KafkaException as error:
            answer.set_exception(error)
        return answer


def cluster_metadata(broker: MemoryBroker, topic: str | None = None) -> ClusterMetadata:
    """All topics, or the one asked for, with an error where it doesn't exist."""
    metadata = ClusterMetadata()
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
        partition.id, partition.leader, partition.replicas, partition.isrs = number, 1, [1], [1]
        metadata.partitions[number] = partition
    return metadata

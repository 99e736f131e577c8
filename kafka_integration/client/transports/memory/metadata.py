"""The memory broker's topics, as the client's ``list_topics()`` gives them."""

from __future__ import annotations

from confluent_kafka import KafkaError
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public there, but not re-exported by its types
    ClusterMetadata,
    PartitionMetadata,
    TopicMetadata,
)

from .broker import MemoryBroker

__all__ = ["ClusterMetadata", "cluster_metadata"]


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

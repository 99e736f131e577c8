"""confluent-kafka's ``AdminClient`` on the memory broker, as far as this package calls it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin._listoffsets import EarliestSpec, ListOffsetsResultInfo, OffsetSpec

from .broker import MemoryBroker
from .metadata import ClusterMetadata, cluster_metadata


class MemoryAdmin:
    """Answers at once."""

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

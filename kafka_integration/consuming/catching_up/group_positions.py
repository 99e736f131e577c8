"""Where a consumer's group stands in each partition: by Kafka's offsets, or by the stored ones where these count."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Self

from django.db.models import F

from ...client.metadata.cluster import Topics, places_among
from ...client.metadata.group_offsets import GroupOffsets
from ...client.metadata.partition_ends import Place
from ...client.metadata.topic_ids import TopicIds
from ...conf.consumers import ConsumerSettings
from ...errors import AccessDeniedError, BrokerError
from ...models import FinishedOffset, StoredOffset
from ...topic_names import is_pattern, stands_for
from ..offsets.beyond import Beyond, beyond_of, decode

UNKNOWN_TOPIC = "UNKNOWN_TOPIC_OR_PART"


def places_of(consumer: ConsumerSettings, topics: Topics) -> list[Place]:
    """The partitions that the consumer's topics have, of these that there are."""
    return places_among(topics, consumer.topics, whole_names=_matches_whole_names(consumer))


def absent_of(consumer: ConsumerSettings, places: Iterable[Place]) -> list[str]:
    """The names and patterns among the consumer's topics that none of these partitions belongs to."""
    topics, whole_names = {topic for topic, _ in places}, _matches_whole_names(consumer)
    return [
        entry for entry in consumer.topics if not any(stands_for(entry, t, whole_names=whole_names) for t in topics)
    ]


class GroupPositions:
    """One consumer's group; who asks brings the client that asks Kafka, and closes what asks for ids of topics."""

    def __init__(self, consumer: ConsumerSettings) -> None:
        self._consumer = consumer
        self._topic_ids = TopicIds(consumer.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._topic_ids.close()

    def places(self, offsets: GroupOffsets) -> list[Place]:
        """The partitions that the consumer's topics have now."""
        return offsets.places(self._consumer.topics, whole_names=_matches_whole_names(self._consumer))

    def is_hidden(self, topic: str) -> bool:
        """Whether an ACL keeps the topic from us, be it there or not; ``BrokerError`` if that can't be told.

        Which topics of a pattern it keeps from us is never told.
        """
        if is_pattern(topic):
            return False
        try:
            self._topic_ids.ask(topic)
        except AccessDeniedError:
            return True
        except BrokerError as error:
            if error.code != UNKNOWN_TOPIC:
                raise
        return False

    def read(self, offsets: GroupOffsets, places: Collection[Place]) -> dict[Place, int | None]:
        """The next offset of each partition; None where the group has none yet."""
        committed = offsets.committed(places)
        if self._consumer.offset_storage != "database" or not places:
            return committed
        # These count: Kafka's follow at or below.
        return {**committed, **self._stored(places)}

    def finished_beyond(self, offsets: GroupOffsets, places: Collection[Place]) -> dict[Place, Beyond]:
        """What is finished above the next offset of each partition; what isn't there has nothing."""
        if self._consumer.offset_storage != "database":
            noted = offsets.noted(places)
            return {place: decode(note, offset) for place, (offset, note) in noted.items() if offset is not None}
        ids = {topic: self._topic_ids.ask(topic) for topic in {topic for topic, _ in places}}
        rows = FinishedOffset.objects.using(self._consumer.database).filter(
            stored__group=self._consumer.consumer_group, stored__topic__in=ids, offset__gte=F("stored__next_offset")
        )
        found: dict[Place, dict[int, int | None]] = {}
        for topic, topic_id, partition, offset, epoch in rows.values_list(
            "stored__topic", "stored__topic_id", "stored__partition", "offset", "leader_epoch"
        ):
            # Of a topic that is gone other messages were finished there.
            if (topic, partition) in places and (not topic_id or not ids[topic] or topic_id == ids[topic]):
                found.setdefault((topic, partition), {})[offset] = epoch
        return {place: beyond_of(epochs) for place, epochs in found.items()}

    def start(self, first: int, end: int) -> int:
        """Where the group begins in a partition of which it has no offset."""
        return first if self._consumer.start_with_earliest_message else end

    def _stored(self, places: Collection[Place]) -> dict[Place, int]:
        ids = {topic: self._topic_ids.ask(topic) for topic in {topic for topic, _ in places}}
        rows = StoredOffset.objects.using(self._consumer.database).filter(
            group=self._consumer.consumer_group, topic__in=ids
        )
        wanted, found = set(places), dict[Place, dict[str, int]]()
        for row in rows.order_by("pk"):
            if (row.topic, row.partition) in wanted:
                found.setdefault((row.topic, row.partition), {})[row.topic_id] = row.next_offset
        return {place: _of_topic(ids[place[0]], by_id) for place, by_id in found.items()}


def _matches_whole_names(consumer: ConsumerSettings) -> bool:
    # Under the `consumer` protocol the broker matches patterns, against whole names.
    return consumer.group_protocol == "consumer" or consumer.connection.transport == "embedded"


def _of_topic(topic_id: str, by_id: Mapping[str, int]) -> int:
    """Of the rows of one partition the one that a claim would take, the newest at the end."""
    if topic_id in by_id:
        return by_id[topic_id]
    if not topic_id:
        return list(by_id.values())[-1]
    # A row of another id is that of a topic which is gone: the new one is read from its beginning.
    return by_id.get("", 0)

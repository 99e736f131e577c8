"""Where a partition begins for which the group has committed nothing."""

from __future__ import annotations

from dataclasses import dataclass

from ...client.metadata.patience import Patience
from ...client.metadata.topic_ids import TopicIds
from ...client.metadata.topic_sizes import TopicSizes
from ...conf.consumers import ConsumerSettings
from ...topic_names import cover
from ..partition import Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class _Topic:
    """One that was there at the start; its id is ``""`` where that isn't known."""

    size: int
    topic_id: str


class StartOffsets:
    """``start_with_earliest_message`` decides; the loop thread's own.

    But what is added while this consumer runs begins at its first message, or what was written there before the group
    heard of it would be left out.
    """

    def __init__(self, settings: ConsumerSettings) -> None:
        self._at_first = settings.start_with_earliest_message
        self._topics = settings.topics
        self._sizes = TopicSizes(settings.connection)
        self._topic_ids = TopicIds(settings.connection)
        self._known: dict[str, _Topic] | None = None
        self.patience = Patience()

    def look(self) -> None:
        """Note which partitions there are, the first time, and if it matters; ``BrokerError`` if it can't be told."""
        self._known_topics()

    def choose(self, partition: Partition, first: int, end: int) -> int:
        """The offset to begin at; ``BrokerError`` if it can't be told."""
        if self._at_first:
            return first
        known = self._known_topics().get(partition.topic)
        is_known = known is not None and partition.number < known.size and not self._was_made_anew(partition, known)
        return end if is_known else first

    def _was_made_anew(self, partition: Partition, known: _Topic) -> bool:
        """By its name it would be the topic that was there before, and its first messages old ones."""
        topic_id = self._topic_ids.ask_where_allowed(partition.topic, lambda: False)
        return bool(topic_id and known.topic_id) and topic_id != known.topic_id

    def _known_topics(self) -> dict[str, _Topic]:
        if self._known is None:
            self._known = {} if self._at_first else self._read()
        return self._known

    def _read(self) -> dict[str, _Topic]:
        sizes = {topic: size for topic, size in self._sizes.read().items() if cover(self._topics, topic)}
        ids = self._topic_ids.ask_all(sizes)
        return {topic: _Topic(size=size, topic_id=ids[topic]) for topic, size in sizes.items()}

"""Where a partition begins for which the group has committed nothing."""

from __future__ import annotations

from ..client.topic_sizes import TopicSizes
from ..conf.values import ConsumerSettings
from .partition import Partition


class Beginnings:
    """``start_with_earliest_message`` decides; the loop thread's own.

    But what is added while this consumer runs begins at its first message, or what was written there before the group
    heard of it would be left out.
    """

    def __init__(self, settings: ConsumerSettings) -> None:
        self._at_first = settings.start_with_earliest_message
        self._sizes = TopicSizes(settings.connection)
        self._known: dict[str, int] | None = None

    def look(self) -> None:
        """Note which partitions there are, the first time, and if it matters; ``BrokerError`` if it can't be told."""
        self._known_sizes()

    def choose(self, partition: Partition, first: int, end: int) -> int:
        """The offset to begin at; ``BrokerError`` if it can't be told."""
        is_new = partition.number >= self._known_sizes().get(partition.topic, 0)
        return first if self._at_first or is_new else end

    def _known_sizes(self) -> dict[str, int]:
        if self._known is None:
            self._known = {} if self._at_first else self._sizes.read()
        return self._known

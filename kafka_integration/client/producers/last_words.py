"""What is said of messages that are dropped with their producer: how many, of which topics, and why."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable

from confluent_kafka import KafkaError

from ...errors import BrokerError
from ..log.client_log import ClientLog
from ..metadata.partition_counts import PartitionCounts

logger = logging.getLogger("kafka_integration.client")

SHOWN_TOPICS = 3
LOOK_SECONDS = 0.5
_PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})


class LastWords:
    """Told of each message that was dropped after ``begin``; the client itself tells no one what is in its queue."""

    def __init__(self, name: str, log: ClientLog, partition_counts: PartitionCounts) -> None:
        self._name = name
        self._log = log
        self._partition_counts = partition_counts
        self._topics: list[str] | None = None

    def begin(self) -> None:
        """What is dropped from here on is told here."""
        self._topics = []

    def note(self, topic: str, error: KafkaError) -> bool:
        """Takes a message that was not delivered, unless it is no part of what is dropped."""
        if self._topics is None or error.code() not in _PURGED:
            return False
        self._topics.append(topic)
        return True

    def say(self, left: int, seconds: float) -> None:
        """The one line about them: ``left`` messages, after so many seconds."""
        topics, self._topics = Counter(self._topics), None
        logger.error(
            "%s: %d message(s) were not confirmed within %g s and may be lost.%s %s",
            self._name,
            left,
            seconds,
            _whereto(topics),
            self._reason(topics, min(seconds, LOOK_SECONDS)),
        )

    def _reason(self, topics: Iterable[str], look_seconds: float) -> str:
        if self._log.trouble:
            return str(self._log.trouble)
        reasons = []
        for topic in list(topics)[:SHOWN_TOPICS]:
            try:
                self._partition_counts.get(topic, look_seconds)
            except BrokerError as error:
                reasons.append(str(error))
        return " ".join(reasons) or "Kafka did not answer in time."


def _whereto(topics: Counter[str]) -> str:
    if not topics:
        return ""
    shown = ", ".join(f"{topic} ({count})" for topic, count in topics.most_common(SHOWN_TOPICS))
    more = f" and {len(topics) - SHOWN_TOPICS} more topics" if len(topics) > SHOWN_TOPICS else ""
    return f" They were for {shown}{more}."

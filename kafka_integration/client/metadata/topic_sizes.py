"""How many partitions a topic has, asked without making it."""

from __future__ import annotations

import sys
from time import monotonic
from typing import Any

from confluent_kafka import KafkaError

from ...conf.connection import Connection
from .admin import Admin, Asker

FRESH_SECONDS = 60.0


class TopicSizes(Asker):
    """The topics of a cluster and their numbers of partitions, as they were at most a minute ago."""

    def __init__(self, connection: Connection) -> None:
        self._admin = Admin(connection, asks_for="topics of the cluster")
        self._sizes: dict[str, int] = {}
        self._fresh_until = 0.0

    def ask(self, topic: str) -> int:
        """The topic's number of partitions, 0 if there is no such topic; ``BrokerError`` if that can't be told."""
        if monotonic() >= self._fresh_until:
            self._sizes = self.read()
            self._fresh_until = monotonic() + FRESH_SECONDS
        return self._sizes.get(topic, 0)

    def read(self) -> dict[str, int]:
        """The number of partitions of each topic, now; ``BrokerError`` if that can't be told."""
        with self._admin.question() as (client, timeout):
            # All topics: a request for one would make it, where the broker creates topics on first use.
            metadata = client.list_topics(timeout=timeout)
        return {name: _size(topic) for name, topic in metadata.topics.items()}


def _size(topic: Any) -> int:
    if topic.error is None:
        return len(topic.partitions)
    # It may be on its way in or out, or without a leader: who can't tell had better expect all of it.
    return 0 if topic.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART else sys.maxsize

"""How many partitions a topic has, as the broker said last."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException

from ..errors import BrokerError
from .failures import is_retriable, translate
from .green_threads import call_beside
from .logs import ClientLog

# As long as librdkafka's own default for topic metadata.
FRESH_SECONDS = 300.0
RETRY_SECONDS = 0.1


class MetadataSource(Protocol):
    """A client that lists topics."""

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any: ...


@dataclass(frozen=True, slots=True)
class _Known:
    count: int
    asked_at: float


class PartitionCounts:
    """Asks the broker once per topic and again when that was long ago. Safe to use from several threads."""

    def __init__(self, source: MetadataSource, log: ClientLog) -> None:
        self._source = source
        self._log = log
        self._known: dict[str, _Known] = {}

    def get(self, topic: str, timeout: float) -> int:
        """The number of partitions; waits up to ``timeout`` for a topic that is just being created.

        Raises BrokerError if it can't be found out. While Kafka is away, what was known last is good enough.
        """
        known = self._known.get(topic)
        if known and (time.monotonic() - known.asked_at < FRESH_SECONDS or self._log.trouble):
            return known.count
        try:
            return self._ask(topic, timeout)
        except BrokerError:
            if known:
                return known.count
            raise

    def covers(self, topic: str, partition: int, timeout: float) -> bool:
        """Whether the topic has the partition; asks again before it says no, since partitions can be added."""
        return partition < self.get(topic, timeout) or partition < self._ask(topic, timeout)

    def _ask(self, topic: str, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        pause = threading.Event()
        while True:
            try:
                count = self._count(topic, max(0.0, deadline - time.monotonic()))
            except KafkaException as error:
                if not is_retriable(error.args[0]) or time.monotonic() + RETRY_SECONDS >= deadline:
                    trouble = self._log.trouble
                    raise translate(error, place=f"topic {topic}") from trouble or error
                pause.wait(RETRY_SECONDS)
            else:
                self._known[topic] = _Known(count, time.monotonic())
                return count

    def _count(self, topic: str, timeout: float) -> int:
        # librdkafka reads 0 as for ever.
        try:
            metadata = call_beside(partial(self._source.list_topics, topic, timeout=max(timeout, 0.001))).topics[topic]
        except KafkaException:
            raise
        except Exception as error:
            raise translate(error, place=f"topic {topic}") from error
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        if not metadata.partitions:
            raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE))
        return len(metadata.partitions)

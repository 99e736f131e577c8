"""How many partitions a topic has, as the broker said last."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException

from ...errors import BrokerError
from ..errors.translate import is_retriable, translate
from ..green_threads import call_beside
from ..log.client_log import ClientLog

# As long as librdkafka's own default for topic metadata.
FRESH_SECONDS = 300.0
RETRY_SECONDS = 0.1
# Who waited in vain did so for all: so long nobody else waits, and then one looks again.
UNANSWERED_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 1.0
REMEMBERED_TOPICS = 1000
_EVERYWHERE = ""
_OF_THE_TOPIC = frozenset(
    {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError.LEADER_NOT_AVAILABLE}
)


class MetadataSource(Protocol):
    """A client that lists topics."""

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any: ...


@dataclass(frozen=True, slots=True)
class _Known:
    count: int
    asked_at: float


@dataclass(slots=True)
class _Unanswered:
    """What one look found out in all its time."""

    error: BrokerError
    was_in_trouble: bool
    until: float


class PartitionCounts:
    """Asks the broker once per topic and again when that was long ago. Safe to use from several threads."""

    def __init__(self, source: MetadataSource, log: ClientLog) -> None:
        self._source = source
        self._log = log
        self._known: dict[str, _Known] = {}
        self._unanswered: dict[str, _Unanswered] = {}

    def get(self, topic: str, timeout: float) -> int:
        """The number of partitions; waits up to ``timeout`` for a topic that is just being created.

        Raises BrokerError if it can't be found out: at once, where somebody waited in vain a moment ago. While Kafka
        is away, what was known last is good enough.
        """
        known = self._known.get(topic)
        if known and (time.monotonic() - known.asked_at < FRESH_SECONDS or self._log.trouble):
            return known.count
        try:
            return self._look(topic, timeout)
        except BrokerError:
            if known:
                return known.count
            raise

    def covers(self, topic: str, partition: int, timeout: float) -> bool:
        """Whether the topic has the partition; asks again before it says no, since partitions can be added."""
        return partition < self.get(topic, timeout) or partition < self._look(topic, timeout)

    def _look(self, topic: str, timeout: float) -> int:
        unanswered = self._still_unanswered(_EVERYWHERE) or self._still_unanswered(topic)
        if unanswered is None:
            return self._ask(topic, timeout)
        now = time.monotonic()
        if now < unanswered.until:
            raise unanswered.error.with_traceback(None)
        # While this one looks, the others don't.
        unanswered.until = now + UNANSWERED_SECONDS
        return self._ask(topic, min(timeout, LOOK_AGAIN_SECONDS))

    def _still_unanswered(self, place: str) -> _Unanswered | None:
        unanswered = self._unanswered.get(place)
        if unanswered is not None and unanswered.was_in_trouble and not self._log.trouble:
            # A broker was reached since.
            self._unanswered.pop(place, None)
            return None
        return unanswered

    def _ask(self, topic: str, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        pause = threading.Event()
        while True:
            try:
                count = self._count(topic, max(0.0, deadline - time.monotonic()))
            except KafkaException as error:
                if not is_retriable(error.args[0]) or time.monotonic() + RETRY_SECONDS >= deadline:
                    failure = translate(error, place=f"topic {topic}")
                    if is_retriable(error.args[0]) and timeout >= LOOK_AGAIN_SECONDS:
                        self._note_unanswered(topic, error.args[0], failure)
                    raise failure from self._log.trouble or error
                pause.wait(RETRY_SECONDS)
            except Exception as error:
                raise translate(error, place=f"topic {topic}") from error
            else:
                self._known[topic] = _Known(count, time.monotonic())
                for place in (_EVERYWHERE, topic):
                    self._unanswered.pop(place, None)
                return count

    def _note_unanswered(self, topic: str, error: KafkaError, failure: BrokerError) -> None:
        if len(self._unanswered) >= REMEMBERED_TOPICS:
            self._unanswered.clear()
        place = topic if error.code() in _OF_THE_TOPIC else _EVERYWHERE
        until = time.monotonic() + UNANSWERED_SECONDS
        self._unanswered[place] = _Unanswered(failure, self._log.trouble is not None, until)

    def _count(self, topic: str, timeout: float) -> int:
        # librdkafka reads 0 as for ever.
        list_topics = partial(self._source.list_topics, topic, timeout=max(timeout, 0.001))
        return count_of(call_beside(list_topics).topics[topic])


def count_of(topic: Any) -> int:
    """The number of partitions in a topic's metadata; ``KafkaException`` if it says that there are none."""
    if topic.error is not None:
        raise KafkaException(topic.error)
    if not topic.partitions:
        raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE))
    return len(topic.partitions)

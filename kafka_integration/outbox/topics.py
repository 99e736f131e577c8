"""Which topics rows can go to at the moment, and to which of their partitions."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..client.producers.ordered import OrderedProducer
from ..errors import BrokerError
from ..producing.partitioners import load_partitioner
from ..retrying import Backoff
from .table import OutboxRow

logger = logging.getLogger("kafka_integration.relay")

ANY_PARTITION = -1
METADATA_TIMEOUT_SECONDS = 1.0
WAITS = Backoff(first_seconds=1.0, longest_seconds=60.0)
COUNT_IS_FRESH_SECONDS = 30.0
# To ask for one topic after the other takes a broker's answer for each, and the client's time grows with their square.
MANY_TROUBLES = 10
WAITS_OF_MANY = Backoff(first_seconds=1.0, longest_seconds=10.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Topic:
    partitions: int
    fresh_until: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Trouble:
    """Why a topic's rows wait, until when, and for how many times in a row by now."""

    code: str
    until: float
    times: int

    @property
    def is_denied(self) -> bool:
        """It is there, and writing to it fails."""
        return self.code == "TOPIC_AUTHORIZATION_FAILED"


class Destinations:
    """The topics as far as the relay knows them. One that can't be written to waits by itself, others go on."""

    def __init__(self, strategy: str, clock: Callable[[], float]) -> None:
        self._partitioner = load_partitioner(strategy)
        self._clock = clock
        # librdkafka counts partitions by itself; a strategy of ours has to notice when some are added.
        self._fresh_seconds = COUNT_IS_FRESH_SECONDS if self._partitioner else float("inf")
        self._topics: dict[str, _Topic] = {}
        self._troubles: dict[str, _Trouble] = {}
        self._all: dict[str, int] = {}
        self._all_at = float("-inf")

    def waiting(self, producer: OrderedProducer) -> set[str]:
        """The topics whose rows are not to be read now; many whose time is over are looked up together."""
        now = self._clock()
        if self._are_many:
            due = [topic for topic, trouble in self._troubles.items() if trouble.until <= now and not trouble.is_denied]
            self._look_up_together(due, producer)
        return {topic for topic, trouble in self._troubles.items() if trouble.until > now}

    def partition_for(self, row: OutboxRow, producer: OrderedProducer) -> int:
        """The row's partition, by the producer's strategy; ANY_PARTITION leaves it to librdkafka.

        ``BrokerError`` if the topic isn't there or no broker answers, ``InvalidMessageError`` if the project's own
        strategy fails.
        """
        topic = self._topics.get(row.topic)
        if topic is None or topic.fresh_until < self._clock():
            topic = self._look_up(row.topic, producer)
        if row.partition is not None:
            if row.partition >= topic.partitions:
                # Perhaps one that was added: the client knows it only when asked anew, and would refuse it for good.
                self._look_up(row.topic, producer)
            return row.partition
        if self._partitioner is None:
            return ANY_PARTITION
        return self._partitioner(row.topic, topic.partitions, row.key, row.value)

    def postpone(self, topic: str, error: BrokerError) -> None:
        """Let a topic's rows wait; longer each time, if it is the writing that fails and not the looking."""
        now = self._clock()
        self._topics.pop(topic, None)
        before = self._troubles.get(topic)
        is_new = before is None or before.code != error.code or now > before.until + WAITS.longest_seconds
        if is_new:
            logger.error("%s Its messages wait in the outbox; those of other topics go on.", error)
        times = 1 if before is None or is_new or not before.is_denied else before.times + 1
        self._troubles[topic] = _Trouble(code=error.code, until=now + WAITS.seconds(times), times=times)

    @property
    def _are_many(self) -> bool:
        return len(self._troubles) > MANY_TROUBLES

    def _look_up(self, name: str, producer: OrderedProducer) -> _Topic:
        if not self._are_many:
            return self._note(name, producer.partition_count(name, METADATA_TIMEOUT_SECONDS))
        count = self._look_at_all(producer).get(name)
        if count is None:
            if not producer.makes_topics:
                raise producer.missing(name)
            count = producer.partition_count(name, METADATA_TIMEOUT_SECONDS)
        return self._note(name, count)

    def _look_up_together(self, names: list[str], producer: OrderedProducer) -> None:
        if not names:
            return
        try:
            found = self._look_at_all(producer)
        except BrokerError:
            # Whoever sends next meets it too, and says so.
            return
        now = self._clock()
        for name in names:
            if name in found:
                self._note(name, found[name])
            else:
                trouble = self._troubles[name]
                times = trouble.times + 1
                self._troubles[name] = replace(trouble, until=now + WAITS_OF_MANY.seconds(times), times=times)

    def _look_at_all(self, producer: OrderedProducer) -> dict[str, int]:
        now = self._clock()
        if now >= self._all_at + WAITS.first_seconds:
            self._all = producer.partition_counts(METADATA_TIMEOUT_SECONDS)
            self._all_at = now
        return self._all

    def _note(self, name: str, count: int) -> _Topic:
        topic = self._topics[name] = _Topic(partitions=count, fresh_until=self._clock() + self._fresh_seconds)
        trouble = self._troubles.get(name)
        if trouble is not None and not trouble.is_denied:
            del self._troubles[name]
            logger.info("Topic %s is there now.", name)
        return topic

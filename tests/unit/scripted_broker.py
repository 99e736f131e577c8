"""A broker that takes, loses and refuses messages when a test says so, and the producers that are connected to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from confluent_kafka import KafkaError, KafkaException

POISON = b"poison"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A message in a producer's queue."""

    topic: str
    key: bytes | None
    value: bytes | None
    event_id: str
    report: Callable[[KafkaError | None, Any], None]


class ScriptedBroker:
    """``log`` is what arrived, in order; ``producers`` all that ever connected; ``looks`` counts requests for topics.

    ``topics`` are those that are there, None for any.
    """

    def __init__(self) -> None:
        self.log: list[Sent] = []
        self.producers: list[ScriptedProducer] = []
        self.takes_poison = False
        self.topics: set[str] | None = None
        self.looks = 0

    def connect(self, properties: Mapping[str, Any]) -> ScriptedProducer:
        """Stands in for a transport's ``producer``."""
        self.producers.append(ScriptedProducer(self, is_gapless=bool(properties["enable.gapless.guarantee"])))
        return self.producers[-1]


class ScriptedProducer:
    """Keeps what it is given until it is told to write. One that isn't gapless writes at once, as when it is alone."""

    def __init__(self, broker: ScriptedBroker, *, is_gapless: bool) -> None:
        self._broker = broker
        self._is_gapless = is_gapless
        self._is_fatal = self._says_fatal = False
        self._answers: list[tuple[Sent, KafkaError | None]] = []
        self.queue: list[Sent] = []

    # --- What the test does

    def write(self, count: int, *, acknowledge: bool = True) -> None:
        """The broker takes a batch: all of it, or with a poisoned message in it nothing, and nothing after it."""
        if self._is_fatal:
            # Out of sequence: that is what makes the producer gapless.
            return
        batch, self.queue = self.queue[:count], self.queue[count:]
        if not self._broker.takes_poison and any(sent.value == POISON for sent in batch):
            self._answers += [(sent, KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)) for sent in batch]
            self._is_fatal = self._says_fatal = self._is_gapless
            return
        self._broker.log += batch
        if acknowledge:
            self._answers += [(sent, None) for sent in batch]

    def fail(self, error: KafkaError) -> None:
        """The client gives up all that is queued, as when a topic is gone: that it doesn't take for a gap."""
        self._answers += [(sent, error) for sent in self.queue]
        self.queue = []

    # --- The client's methods

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        *,
        on_delivery: Callable[[KafkaError | None, Any], None],
        timestamp: int,
        headers: list[tuple[str, bytes | None]],
    ) -> None:
        if self._is_fatal:
            raise KafkaException(KafkaError(KafkaError._FATAL, "fatal", True))
        event_id = (dict(headers)["ce_id"] or b"").decode()
        self.queue.append(Sent(topic=topic, key=key, value=value, event_id=event_id, report=on_delivery))

    def poll(self, timeout: float) -> int:
        if not self._is_gapless:
            self.write(1)
        answers, self._answers = self._answers, []
        for sent, error in answers:
            sent.report(error, SimpleNamespace(partition=lambda: 0))
        if self._says_fatal:
            self._says_fatal = False
            raise KafkaException(KafkaError(KafkaError._GAPLESS_GUARANTEE, "a gap", True))
        return len(answers)

    def purge(self, in_queue: bool = True, in_flight: bool = True) -> None:
        self._answers += [(sent, KafkaError(KafkaError._PURGE_QUEUE)) for sent in self.queue]
        self.queue = []

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        self._broker.looks += 1
        metadata = SimpleNamespace(error=None, partitions={0: None})
        if topic is None:
            return SimpleNamespace(topics=dict.fromkeys(self._broker.topics or (), metadata))
        if self._broker.topics is not None and topic not in self._broker.topics:
            metadata = SimpleNamespace(error=KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART), partitions={})
        return SimpleNamespace(topics={topic: metadata})

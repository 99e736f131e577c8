"""The relay's producer: in order, without gaps, nothing given up, and every outcome told by the row's id.

It belongs to one thread. Deliveries are reported inside ``poll``; after a failure it is closed, and a new one
begins again from the lowest row, so that nothing overtakes what failed.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any

from confluent_kafka import KafkaError

from ...conf.producers import ProducerSettings
from ...errors import BrokerError
from ...headers import Headers
from ...sizes import held_bytes
from ..errors.translate import translate, translated
from ..log.client_log import ClientLog
from ..metadata.partition_counts import count_of
from ..opening import Properties, open_client
from ..properties import names as property_names
from ..properties.build import REQUESTS_IN_FLIGHT, producer_properties
from ..transports.choosing import transport_of
from .client_headers import ClientHeaders
from .raw import is_bare

# What is wrong with the message itself, and stays so.
REFUSALS = frozenset(
    {
        "MSG_SIZE_TOO_LARGE",
        "INVALID_MSG_SIZE",
        "RECORD_LIST_TOO_LARGE",
        "INVALID_RECORD",
        "INVALID_MSG",
        "INVALID_TIMESTAMP",
        "POLICY_VIOLATION",
        "_UNKNOWN_PARTITION",
        "_INVALID_ARG",
    }
)
# What every message to the topic meets, and none to others.
TOPIC_PROBLEMS = frozenset(
    {
        "UNKNOWN_TOPIC_OR_PART",
        "_UNKNOWN_TOPIC",
        "TOPIC_AUTHORIZATION_FAILED",
        "TOPIC_EXCEPTION",
        # Being created, or between two leaders: a moment, as a rule.
        "LEADER_NOT_AVAILABLE",
    }
)
_PURGED = frozenset({"_PURGE_QUEUE", "_PURGE_INFLIGHT"})
_MOST_RETRIES = 2**31 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A message that Kafka did not take."""

    row_id: int
    topic: str
    partition: int | None
    error: BrokerError


class OrderedProducer:
    """What is on its way to Kafka. A ``careful`` one is for messages sent one at a time: a refusal doesn't end it."""

    def __init__(self, settings: ProducerSettings, *, name: str, careful: bool = False) -> None:
        self._name = name
        self._connection = settings.connection
        self._transport = transport_of(settings.connection)
        self._properties = _properties(settings, careful=careful)
        # What a tracer raises, for one.
        self._translated = translated(name, properties=self._properties, errors=Exception)
        self.log = _Log(name, self._properties)
        self._producer: Any = open_client(
            self._transport.producer, self._properties, place=name, options=self.log.options()
        )
        # Without names it takes two thirds of the time; whatever is around the client needs them.
        self._is_bare = is_bare(self._producer)
        self._closing = False
        self._in_flight: dict[int, int] = {}
        self.in_flight_bytes = 0
        self.in_flight_per_topic: Counter[str] = Counter()
        self.acknowledged: list[int] = []
        self.failures: list[Failure] = []
        self.broken: BrokerError | None = None

    def __len__(self) -> int:
        """How many messages are neither acknowledged nor failed."""
        return len(self._in_flight)

    @property
    def is_stranded(self) -> bool:
        """Whether its broker can't come back: the embedded one listens elsewhere after each start."""
        is_cut_off = self.log.unreachable is not None
        return is_cut_off and self._transport.has_moved(self._connection, self._properties["bootstrap.servers"])

    @property
    def makes_topics(self) -> bool:
        """Whether to ask for a topic may make it."""
        return bool(self._properties.get("allow.auto.create.topics"))

    @property
    def unfinished_ids(self) -> list[int]:
        """The rows that may not be sent again: under way, or acknowledged and not taken yet."""
        return [*self._in_flight, *self.acknowledged]

    def send(
        self,
        row_id: int,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        headers: Headers,
        partition: int,
        timestamp_ms: int,
    ) -> None:
        """Hand a message to the client. ``BrokerError`` if it doesn't take it, ``BufferError`` if its queue is full."""
        size = held_bytes(key, value, headers)
        on_delivery = partial(self.note_delivery, row_id, topic, size)
        try:
            if self._is_bare:
                self._producer.produce(topic, value, key, partition, on_delivery, None, timestamp_ms, headers)
            else:
                self._producer.produce(
                    topic,
                    value=value,
                    key=key,
                    partition=partition,
                    on_delivery=on_delivery,
                    timestamp=timestamp_ms,
                    headers=ClientHeaders(headers),
                )
        except BufferError:
            raise
        except Exception as error:
            raise self.error_of(error, topic) from error
        self._in_flight[row_id] = size
        self.in_flight_bytes += size
        self.in_flight_per_topic[topic] += 1

    def poll(self, timeout: float) -> None:
        """Take note of deliveries; waits up to ``timeout`` seconds for the first."""
        try:
            self._producer.poll(timeout)
        except Exception as error:  # noqa: BLE001 - its fatal error, or one of whatever wraps the client
            # The client raises its fatal error here instead of calling error_cb.
            self.broken = self.error_of(error)

    def take_acknowledged(self) -> list[int]:
        """The rows that Kafka has; the caller removes them."""
        taken, self.acknowledged = self.acknowledged, []
        return taken

    def take_failures(self) -> list[Failure]:
        """The messages that Kafka did not take since the last call."""
        taken, self.failures = self.failures, []
        return taken

    def partition_count(self, topic: str, timeout: float) -> int:
        """How many partitions a topic has; ``BrokerError`` if it has none, or nobody knows."""
        with self._translated:
            metadata = self._producer.list_topics(topic, timeout).topics[topic]
        with translated(f"topic {topic}", properties=self._properties):
            return count_of(metadata)

    def partition_counts(self, timeout: float) -> dict[str, int]:
        """The topics that are there and how many partitions each has, by one request for all."""
        with self._translated:
            topics = self._producer.list_topics(timeout=timeout).topics
        return {name: len(topic.partitions) for name, topic in topics.items() if not topic.error and topic.partitions}

    def missing(self, topic: str) -> BrokerError:
        """What ``partition_count`` raises for a topic that isn't there."""
        return self.error_of(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART), topic)

    def drain(self, timeout: float) -> None:
        """Wait for what is under way."""
        deadline = time.monotonic() + timeout
        while self._in_flight and self.broken is None and (remaining := deadline - time.monotonic()) > 0:
            self.poll(min(0.1, remaining))

    def fail(self, error: BrokerError) -> None:
        """It is of no more use: what is under way is sent again by another one."""
        self.broken = error

    def close(self, grace: float) -> None:
        """Send nothing more; what is already at the broker gets ``grace`` seconds to be acknowledged."""
        self._closing = True
        self._producer.purge(in_queue=True, in_flight=False)
        self.drain(grace)
        self._producer.purge()
        self.poll(0)
        # Drops the client, and with it its connections: it has nothing left that a flush would wait for.
        self._producer = None

    def note_delivery(self, row_id: int, topic: str, size: int, error: KafkaError | None, message: Any) -> None:
        """The client's delivery callback."""
        # Not there, if whatever wraps the client raised after it had sent it: then nothing was counted.
        if self._in_flight.pop(row_id, None) is not None:
            self.in_flight_bytes -= size
            self.in_flight_per_topic[topic] -= 1
        if error is None:
            self.acknowledged.append(row_id)
        elif not (self._closing and error.name() in _PURGED):
            failure = Failure(
                row_id=row_id, topic=topic, partition=message.partition(), error=self.error_of(error, topic)
            )
            self.failures.append(failure)

    def error_of(self, error: KafkaError | Exception, topic: str | None = None) -> BrokerError:
        """What the client reported, as ours."""
        return translate(error, place=f"topic {topic}" if topic else self._name, properties=self._properties)


class _Log(ClientLog):
    """Without librdkafka's warning that ``enable.gapless.guarantee`` is experimental: no operator can act on it."""

    def log(self, level: int, message: str, *args: Any) -> None:
        if not args or args[0] != "CONFWARN" or "enable.gapless.guarantee" not in str(args[-1]):
            super().log(level, message, *args)


def _properties(settings: ProducerSettings, *, careful: bool) -> Properties:
    """The project's producer, but for what the order of events and their safety depend on."""
    ours = {
        "enable.idempotence": True,
        "enable.gapless.guarantee": not careful,
        "request.required.acks": -1,
        "max.in.flight.requests.per.connection": REQUESTS_IN_FLIGHT,
        "message.send.max.retries": _MOST_RETRIES,
        # Nothing expires in the queue: what is in there has been taken from the outbox in order.
        "message.timeout.ms": 0,
        # The relay bounds what is under way, by number and by bytes.
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 2**31 - 1,
    }
    if careful:
        ours["queue.buffering.max.ms"] = 0
    given = producer_properties(settings)
    kept = {name: given[name] for name in given if property_names.ALIASES.get(name, name) not in ours}
    return Properties({**kept, **ours})

"""Where produced messages go out: checked, serialized, given a partition, and put into the client's queue."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from ..client.producer import Producer
from ..client.producer_registry import producers
from ..conf import get_settings
from ..conf.topic_names import topic_name_problem
from ..conf.values import ProducerSettings
from ..errors import (
    AccessDeniedError,
    BrokerError,
    BrokerUnavailableError,
    DeliveryDeniedError,
    DeliveryError,
    InvalidMessageError,
)
from ..headers import normalize_headers
from ..serialization import serialize_key, serialize_value
from .delivery import Delivery
from .partitioners import load_partitioner

Headers = Mapping[str, str | bytes | None] | Iterable[tuple[str, str | bytes | None]]

ANY_PARTITION = -1
LARGEST_PARTITION = 2**31 - 1
LATEST_TIMESTAMP_MS = 2**63 - 1
REMEMBERED_TOPICS = 10_000
DEFAULT_MAX_BYTES = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KAFFE_HINT = (
    " Was it meant as the key? Kaffe's produce_sync(key, value) has no topic; here it comes first: "
    "produce_sync(topic, value, key=…)."
)


def default_outlet() -> Outlet:
    """The outlet of ``settings.KAFKA``."""
    return _outlet_of(producers.default())


@lru_cache(maxsize=1)
def _outlet_of(producer: Producer) -> Outlet:
    return Outlet(get_settings().producer, producer)


class Outlet:
    """One configuration's way out. Safe to use from several threads."""

    def __init__(self, settings: ProducerSettings, producer: Producer) -> None:
        self._settings = settings
        self._producer = producer
        self._key_serializer = settings.key_serializer
        self._value_serializer = settings.value_serializer
        self._partitioner = load_partitioner(settings.partition_strategy)
        self._checked_topics: set[str] = set()

    def send(
        self,
        topic: str,
        value: Any,
        key: Any,
        headers: Headers | None,
        partition: int | None,
        timestamp: datetime | int | None,
        timeout: float,
    ) -> Delivery:
        """Puts the message into the queue, waiting up to ``timeout`` for room; refuses what Kafka could not take."""
        if type(topic) is not str or topic not in self._checked_topics:
            self.check_topic(topic, key)
        value_bytes = serialize_value(value, self._value_serializer)
        key_bytes = serialize_key(key, self._key_serializer)
        place, timestamp_ms, pairs = ANY_PARTITION, 0, None
        if headers is not None:
            pairs = normalize_headers(headers)
        if timestamp is not None:
            timestamp_ms = _timestamp_ms(topic, timestamp)
        if partition is not None or self._partitioner is not None:
            deadline = time.monotonic() + timeout
            place = self._place(topic, key_bytes, value_bytes, partition, timeout)
            timeout = max(0.0, deadline - time.monotonic())
        delivery = Delivery(topic, self._producer)
        try:
            self._producer.send(topic, value_bytes, key_bytes, place, delivery.settle, timestamp_ms, pairs, timeout)
        except BrokerError as error:
            size = len(value_bytes or b"") + len(key_bytes or b"")
            raise self._refusal(topic, place, size, error) from error
        return delivery

    def check_topic(self, topic: object, key: Any = None) -> None:
        """Refuses a topic that Kafka or the settings don't allow."""
        hint = _KAFFE_HINT if key is None else ""
        if problem := topic_name_problem(topic):
            raise InvalidMessageError(f"topic {topic!r:.80}: {problem}.{hint}")
        assert isinstance(topic, str)
        topics = self._settings.topics
        if topics and topic not in topics and not self._settings.allow_any_topic:
            raise InvalidMessageError(
                f'topic {topic} is not in KAFKA["producer"]["topics"] ({", ".join(topics)}): '
                f'add it there, or set "allow_any_topic": True.{hint}'
            )
        # Names may come from anywhere, and a process lives long.
        if len(self._checked_topics) < REMEMBERED_TOPICS:
            self._checked_topics.add(topic)

    def _place(self, topic: str, key: bytes | None, value: bytes | None, partition: int | None, timeout: float) -> int:
        if partition is not None:
            return self._existing(topic, partition, timeout)
        if self._partitioner is None:
            return ANY_PARTITION
        try:
            count = self._producer.partition_counts.get(topic, timeout)
        except BrokerError as error:
            raise _not_sent(error) from error
        return self._partitioner(topic, count, key, value)

    def _existing(self, topic: str, partition: int, timeout: float) -> int:
        if type(partition) is not int:
            raise InvalidMessageError(f"topic {topic}: partition is of type {type(partition).__name__}, not int.")
        if not 0 <= partition <= LARGEST_PARTITION:
            raise InvalidMessageError(f"topic {topic}: there is no partition {partition}; they count from 0.")
        counts = self._producer.partition_counts
        try:
            if self._producer.log.trouble or counts.covers(topic, partition, timeout):
                return partition
            count = counts.get(topic, timeout)
        except BrokerUnavailableError:
            # Can't be told now: the message waits in the queue, and its delivery fails if there is none.
            return partition
        except BrokerError as error:
            if error.code == "_TIMED_OUT":
                return partition
            raise _not_sent(error) from error
        raise InvalidMessageError(
            f"topic {topic}: there is no partition {partition}, only 0 to {count - 1}. Leave it out, or add partitions."
        )

    def _refusal(self, topic: str, partition: int, size: int, error: BrokerError) -> Exception:
        if error.code == "MSG_SIZE_TOO_LARGE":
            limit = self._settings.connection.config.get("message.max.bytes", DEFAULT_MAX_BYTES)
            return InvalidMessageError(
                f"topic {topic}: the message has {size} bytes, over message.max.bytes ({limit}). Send less, or raise "
                'message.max.bytes in KAFKA["producer"]["config"] and max.message.bytes of the topic.'
            )
        if error.code == "_UNKNOWN_PARTITION":
            return InvalidMessageError(f"topic {topic}: there is no partition {partition}. Leave it out.")
        return _not_sent(error)


def _not_sent(error: BrokerError) -> DeliveryError:
    kind = DeliveryDeniedError if isinstance(error, AccessDeniedError) else DeliveryError
    return kind(str(error), code=error.code, retriable=error.retriable, fatal=error.fatal)


def _timestamp_ms(topic: str, timestamp: datetime | int) -> int:
    if isinstance(timestamp, datetime):
        if timestamp.tzinfo is None:
            raise InvalidMessageError(
                f"topic {topic}: the timestamp is a naive datetime. Use an aware one, like django.utils.timezone.now()."
            )
        milliseconds = (timestamp - _EPOCH) // timedelta(milliseconds=1)
    elif type(timestamp) is int:
        milliseconds = timestamp
    else:
        raise InvalidMessageError(
            f"topic {topic}: the timestamp is of type {type(timestamp).__name__}. "
            "Give an aware datetime, or an int: milliseconds since 1970."
        )
    # librdkafka takes 0 for "now".
    if not 0 < milliseconds <= LATEST_TIMESTAMP_MS:
        raise InvalidMessageError(
            f"topic {topic}: the timestamp {milliseconds} is not after 1970, or too large. "
            "Leave it out for now, or give milliseconds since 1970."
        )
    return milliseconds

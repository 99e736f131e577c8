"""Where produced messages go out: checked, serialized, given a partition, and put into the client's queue."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from ..client.producers.plain_messages import PlainMessage
from ..client.producers.producer import Producer
from ..client.producers.queue_room import SMALL_BYTES
from ..client.producers.registry import producers
from ..conf import get_settings
from ..conf.producers import ProducerSettings
from ..errors import (
    AccessDeniedError,
    BrokerError,
    BrokerUnavailableError,
    DeliveryDeniedError,
    DeliveryError,
    DeliveryUnavailableError,
    InvalidMessageError,
    ProduceError,
)
from ..headers import GivenHeaders, Headers, normalize_headers
from ..serialization import knows_place, serialize_key, serialize_message, serialize_value
from ..sizes import record_bytes
from ..tracing import Sending, Tracing, tracing_of
from .arguments import check_partition, check_topic, read_timestamp, too_large
from .delivery import Delivery
from .partitioners import load_partitioner

ANY_PARTITION = -1
REMEMBERED_TOPICS = 10_000
KAFFE_HINT = (
    " Was it meant as the key? Kaffe's produce_sync(key, value) has no topic; here it comes first: "
    "produce_sync(topic, value, key=…)."
)


class DefaultSender:
    """The sender of ``settings.KAFKA``, kept as long as its producer is the right one."""

    def __init__(self) -> None:
        self._sender: Sender | None = None

    def get(self) -> Sender:
        """As fast as can be while all is well: this is asked for every message."""
        sender = self._sender
        if sender is None or not sender.log.calm:
            try:
                producer = producers.default()
            except BrokerError as error:
                raise _not_sent(error) from error
            if sender is None or sender.producer is not producer:
                sender = self._sender = _sender_of(get_settings().producer, producer)
        return sender


class Sender:
    """One configuration's way out. Safe to use from several threads."""

    def __init__(self, settings: ProducerSettings, producer: Producer) -> None:
        self.producer = producer
        self.log = producer.log
        self._settings = settings
        self._key_serializer = settings.key_serializer
        self._value_serializer = settings.value_serializer
        self._is_placed = knows_place(self._key_serializer) or knows_place(self._value_serializer)
        self._partitioner = load_partitioner(settings.partition_strategy)
        self._checked_topics: set[str] = set()

    def send(
        self,
        topic: str,
        value: Any,
        key: Any,
        headers: GivenHeaders | None,
        partition: int | None,
        timestamp: datetime | int | None,
        timeout: float,
    ) -> Delivery:
        """Puts the message into the queue, waiting up to ``timeout`` for room; refuses what Kafka could not take."""
        if type(topic) is not str or topic not in self._checked_topics:
            self.check_topic(topic, key)
        place, timestamp_ms, pairs = ANY_PARTITION, 0, None
        if self._is_placed:
            key_bytes, value_bytes, pairs = self._serialized(topic, key, value, headers)
        else:
            value_bytes = serialize_value(value, self._value_serializer)
            key_bytes = serialize_key(key, self._key_serializer)
            if headers is not None:
                pairs = normalize_headers(headers)
        if timestamp is not None:
            timestamp_ms = read_timestamp(topic, timestamp)
        if partition is not None or self._partitioner is not None:
            deadline = time.monotonic() + timeout
            place = self._place(topic, key_bytes, value_bytes, partition, timeout)
            timeout = max(0.0, deadline - time.monotonic())
        delivery = Delivery(topic, self.producer, timestamp_ms)
        try:
            self.producer.send(topic, value_bytes, key_bytes, place, delivery, timestamp_ms, pairs, timeout)
        except BrokerError as error:
            size = record_bytes(key_bytes, value_bytes, pairs or [])
            raise self._refusal(topic, place, size, error) from error
        return delivery

    def make_plain(self, topic: str, value: Any, key: Any, messages: list[PlainMessage]) -> Delivery | None:
        """Adds a message to those for ``send_many``; None for one that ``send`` has to take."""
        if self._partitioner is not None or self._is_placed:
            return None
        value_bytes = serialize_value(value, self._value_serializer)
        key_bytes = serialize_key(key, self._key_serializer)
        if key_bytes is not None and len(key_bytes) >= SMALL_BYTES:
            return None
        delivery = Delivery(topic, self.producer, 0)
        messages.append({"value": value_bytes, "key": key_bytes, "callback": delivery})
        return delivery

    def send_many(self, topic: str, messages: list[PlainMessage], timeout: float) -> dict[int, ProduceError]:
        """Puts messages into the queue, in order, waiting up to ``timeout`` for room; what was refused, by index."""
        refused: dict[int, ProduceError] = {}
        for index, error in self.producer.send_many(topic, messages, timeout).items():
            size = record_bytes(messages[index]["key"], messages[index]["value"], [])
            failure = self._refusal(topic, ANY_PARTITION, size, error)
            failure.__cause__ = error
            refused[index] = failure
        return refused

    def check_topic(self, topic: object, key: Any = None) -> None:
        """Refuses a topic that Kafka or the settings don't allow."""
        check_topic(topic, self._settings, hint=KAFFE_HINT if key is None else "")
        assert isinstance(topic, str)
        # Names may come from anywhere, and a process lives long.
        if len(self._checked_topics) < REMEMBERED_TOPICS:
            self._checked_topics.add(topic)

    def _serialized(
        self, topic: str, key: Any, value: Any, headers: GivenHeaders | None
    ) -> tuple[bytes | None, bytes | None, Headers]:
        """Key and value by serializers that are told where they go, and headers, to which these may have added."""
        pairs = normalize_headers(headers)
        key_bytes, value_bytes = serialize_message(
            topic, key, value, pairs, key_serializer=self._key_serializer, value_serializer=self._value_serializer
        )
        return key_bytes, value_bytes, pairs

    def _place(self, topic: str, key: bytes | None, value: bytes | None, partition: int | None, timeout: float) -> int:
        if partition is not None:
            return self._existing(topic, partition, timeout)
        if self._partitioner is None:
            return ANY_PARTITION
        try:
            count = self.producer.partition_counts.get(topic, timeout)
        except BrokerError as error:
            raise _not_sent(error) from error
        return self._partitioner(topic, count, key, value)

    def _existing(self, topic: str, partition: int, timeout: float) -> int:
        check_partition(topic, partition)
        counts = self.producer.partition_counts
        try:
            if self.log.trouble or counts.covers(topic, partition, timeout):
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

    def _refusal(self, topic: str, partition: int, size: int, error: BrokerError) -> ProduceError:
        if error.code == "MSG_SIZE_TOO_LARGE":
            return too_large(topic, size, self._settings)
        if error.code == "_UNKNOWN_PARTITION":
            return InvalidMessageError(f"topic {topic}: there is no partition {partition}. Leave it out.")
        return _not_sent(error)


class TracedSender(Sender):
    """A ``Sender`` whose messages each have a span, from the call to what becomes of them, and carry its context."""

    def __init__(self, settings: ProducerSettings, producer: Producer, tracing: Tracing) -> None:
        super().__init__(settings, producer)
        self._tracing = tracing

    def send(
        self,
        topic: str,
        value: Any,
        key: Any,
        headers: GivenHeaders | None,
        partition: int | None,
        timestamp: datetime | int | None,
        timeout: float,
    ) -> Delivery:
        pairs = normalize_headers(headers)
        sending = self._tracing.sending(str(topic), pairs)
        try:
            delivery = super().send(topic, value, key, pairs, partition, timestamp, timeout)
        except BaseException as error:
            sending.failed(error)
            raise
        delivery.add_done_callback(lambda settled: _end_span(sending, settled))
        return delivery

    def make_plain(self, topic: str, value: Any, key: Any, messages: list[PlainMessage]) -> Delivery | None:
        return None  # plain messages have no headers


def _sender_of(settings: ProducerSettings, producer: Producer) -> Sender:
    tracing = tracing_of(wanted=settings.tracing)
    return Sender(settings, producer) if tracing is None else TracedSender(settings, producer, tracing)


def _end_span(sending: Sending, delivery: Delivery) -> None:
    if (error := delivery.exception()) is not None:
        sending.failed(error)
    else:
        metadata = delivery.result()
        sending.arrived(metadata.partition, metadata.offset)


default_sender = DefaultSender().get


def _not_sent(error: BrokerError) -> DeliveryError:
    kind: type[DeliveryError] = DeliveryError
    if isinstance(error, AccessDeniedError):
        kind = DeliveryDeniedError
    elif isinstance(error, BrokerUnavailableError):
        kind = DeliveryUnavailableError
    return kind(str(error), code=error.code, retriable=error.retriable, fatal=error.fatal)

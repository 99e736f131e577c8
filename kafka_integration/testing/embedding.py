"""``embedded_kafka()``: a broker inside the test's process, with the project's settings pointing at it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka import Message as RawMessage

from ..client.errors.translate import translate
from ..client.transports.embedded import SERVERS_VARIABLE, EmbeddedBroker, configured_topics
from ..conf import get_settings
from ..headers import GivenHeaders, normalize_headers
from ..message import Decoding, Message
from ..serialization import load_deserializer, serialize_key, serialize_value
from .redirecting import redirected

DECODING = Decoding(key=load_deserializer("text"), value=load_deserializer("text"))


class EmbeddedKafka:
    """A client of the broker that is none of the project's own: the other side of what is tested."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self._broker = broker
        self.servers = broker.servers

    def create_topics(self, *topics: str) -> None:
        """Makes topics, with 4 partitions each; those of the settings are there already."""
        self._broker.create_topics(topics)

    def produce(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        headers: GivenHeaders | None = None,
        partition: int = -1,
    ) -> None:
        """Sends a message and returns once the broker has it; ``BrokerError`` if it doesn't take it."""
        reports: list[Any] = []
        producer = Producer({"bootstrap.servers": self.servers, "partitioner": "murmur2_random", "log_level": 0})
        producer.produce(
            topic,
            serialize_value(value),
            serialize_key(key),
            partition,
            headers=[*normalize_headers(headers)],
            on_delivery=lambda error, _: reports.append(error),
        )
        producer.flush(10)
        error = reports[0] if reports else KafkaError(KafkaError._TIMED_OUT)
        if error is not None:
            raise translate(error, place=f"topic {topic}")

    def consume(self, topic: str, count: int = 1, timeout: float = 10.0) -> list[Message]:
        """The first ``count`` messages of a topic, partition by partition; AssertionError if they don't come in time.

        It reads from the beginning each time and takes part in no group.
        """
        self.create_topics(topic)
        raws: list[RawMessage] = []
        deadline = time.monotonic() + timeout
        properties = {"bootstrap.servers": self.servers, "group.id": "embedded_kafka", "log_level": 0}
        with Consumer(properties | {"enable.auto.commit": False}) as consumer:
            partitions = consumer.list_topics(topic, timeout=timeout).topics[topic].partitions
            consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
            while len(raws) < count:
                if time.monotonic() > deadline:
                    raise AssertionError(f"{topic} has {len(raws)} of {count} messages after {timeout:g} s")
                raws += [raw for raw in consumer.consume(count - len(raws), 0.1) if raw.error() is None]
        return [Message(raw, DECODING) for raw in sorted(raws, key=lambda raw: (raw.partition(), raw.offset()))]


@contextmanager
def embedded_kafka() -> Iterator[EmbeddedKafka]:
    """A broker of this context's own; produce and consumers, in this process and its children, use it.

    What runs in other threads or processes doesn't see the rows of an open test transaction: use it in tests
    whose database is transactional (``TransactionTestCase``, ``transactional_db``).
    """
    with (
        EmbeddedBroker() as broker,
        mock.patch.dict(os.environ, {SERVERS_VARIABLE: broker.servers}),
        redirected("embedded"),
    ):
        broker.create_topics(configured_topics(get_settings()))
        yield EmbeddedKafka(broker)

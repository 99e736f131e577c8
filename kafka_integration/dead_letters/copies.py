"""The topic that dead letters are produced to as well, for those who watch them outside of Django.

At least once: a copy is acknowledged before its row is written, so after a crash in between there is another one.
Both bear the same ``kafka_integration_id``.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from ..client.producers.registry import producers
from ..client.properties.names import ALIASES
from ..conf import get_settings
from ..conf.connection import Connection
from ..conf.consumers import ConsumerSettings
from ..conf.frozen import RawProperties
from ..conf.producers import ProducerSettings
from ..errors import ProduceTimeoutError
from ..headers import Headers
from ..message import Message
from ..producing.sender import Sender
from .redaction import describe

TIMEOUT_SECONDS = 5.0
STOP_IS_SEEN_SECONDS = 0.2
LARGEST_MESSAGE_BYTES = 1_000_000_000
PURPOSE = "producer of dead letters"
ID_NAMESPACE = uuid.UUID("6b1ff4a5-6a2c-4c5e-9a34-0d7c5e6f2a11")

_OURS = frozenset({"request.required.acks", "message.send.max.retries", "enable.idempotence", "message.max.bytes"})


class DeadLetterTopic:
    """One consumer's way to its ``dead_letter_topic``; any lane may use it."""

    def __init__(self, consumer: ConsumerSettings, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic

    def produce(self, message: Message, error: Exception, topic_id: str, is_over: Callable[[], bool]) -> None:
        """Returns once the copy is acknowledged; raises ``ProduceError`` otherwise, soon once ``is_over``."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        settings = _producer_settings(self._consumer)
        headers = [*message.headers, *self._headers(message, error, topic_id)]
        producer = producers.get(settings, PURPOSE)
        # Given up it is sent anew: else copies would pile up in the queue, and hold up the end of the process.
        with producer.awaited():
            delivery = Sender(settings, producer).send(
                self._topic, message.value_bytes, message.key_bytes, headers, None, None, TIMEOUT_SECONDS
            )
            # The next owner of the partition writes it too: nobody waits for this one.
            while not (delivery.done() or is_over()) and time.monotonic() < deadline:
                with suppress(ProduceTimeoutError):
                    delivery.result(STOP_IS_SEEN_SECONDS)
            delivery.result(0)

    def _headers(self, message: Message, error: Exception, topic_id: str) -> Headers:
        """Where the message came from and why it is here. Last, so that they win over forged ones of the same name."""
        group = self._consumer.consumer_group
        description = describe(error)
        facts = {
            "id": dead_letter_id(group, topic_id, message),
            "exception": description.exception,
            "reason": description.reason,
            "consumer": self._consumer.name,
            "group": group,
            "origin_topic": message.topic,
            "origin_partition": message.partition,
            "origin_offset": message.offset,
            "origin_timestamp": "" if message.ts is None else message.ts,
            "attempts": message.attempt,
        }
        return [(f"kafka_integration_{name}", str(fact).encode()) for name, fact in facts.items()]


def dead_letter_id(group: str, topic_id: str, message: Message) -> str:
    """The same for every copy of a dead letter, another for any other."""
    place = (group, message.topic, topic_id, str(message.partition), str(message.offset))
    return str(uuid.uuid5(ID_NAMESPACE, "\0".join(place)))


def _producer_settings(consumer: ConsumerSettings) -> ProducerSettings:
    """The project's producer, but for what an acknowledgement depends on, and for what it does to its own messages."""
    producer = get_settings().producer
    return replace(
        producer,
        connection=_connection(producer.connection, consumer.connection),
        topics=(),
        key_serializer=None,
        value_serializer=None,
        partition_strategy="murmur2_random",
        required_acks=-1,
        max_retries=None,
        linger_ms=0,
    )


def _connection(producer: Connection, consumer: Connection) -> Connection:
    """Without a producer in the settings, dead letters go to the cluster that the consumer reads."""
    connection = producer if producer.servers or producer.transport != "kafka" else consumer
    config = {name: connection.config[name] for name in connection.config if ALIASES.get(name, name) not in _OURS}
    # What Kafka delivered is not too large to give back; the broker has the last word.
    config["message.max.bytes"] = LARGEST_MESSAGE_BYTES
    return replace(connection, config=RawProperties(config))

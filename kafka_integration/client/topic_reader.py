"""A reader that belongs to no group: of one topic or partition, from a point of one's choice, nothing committed."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime
from typing import Literal, Self

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaException, Message, TopicPartition

from ..conf.connection import Connection
from ..errors import BrokerError, OffsetOutOfRangeError
from .errors.translate import is_retriable, translate
from .log.client_log import ClientLog
from .opening import Properties, open_client
from .properties.build import admin_properties
from .transports.choosing import transport_of

Start = Literal["earliest", "latest"] | datetime | int
"""A number is an offset, of one partition."""

READ_SECONDS = 0.25
READ_MESSAGES = 500
ANSWER_SECONDS = 5.0
# How often partitions are counted, in readings of READ_SECONDS.
READINGS_BETWEEN_COUNTS = 8


class TopicReader:
    """Reads one topic for ever, also partitions that are added and a topic that doesn't exist yet; or one partition."""

    def __init__(self, connection: Connection, topic: str, start: Start, partition: int | None = None) -> None:
        self._topic = topic
        self._partition = partition
        self._start: Start = start
        transport = transport_of(connection)
        self._skip_before_ms = None if transport.finds_offsets_by_time else _milliseconds(start)
        self._assigned: set[int] = set()
        self._has_looked = False
        ours = {
            # librdkafka asks for a group, and nothing joins it.
            "group.id": "kafkatail",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "allow.auto.create.topics": False,
            "fetch.queue.backoff.ms": 10,
        }
        properties = Properties({**admin_properties(connection), **ours})
        self._log = ClientLog("kafkatail", properties)
        self._consumer = open_client(transport.consumer, properties, place="kafkatail", options=self._log.options())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._consumer.close()

    def read(self, when_absent: Callable[[], None]) -> Generator[list[Message], None, None]:
        """Batches of messages, an empty one where nothing came for a moment; ends by being abandoned.

        Calls ``when_absent`` once if there is no such topic. A broker that is away is waited for; a refusal raises
        BrokerError, as does a partition that the topic lacks; ``OffsetOutOfRangeError`` where it has no such offset.
        """
        reported = False
        while True:
            self._assign_new_partitions()
            if not self._assigned and self._has_looked and not reported:
                reported = True
                when_absent()
            for _ in range(READINGS_BETWEEN_COUNTS):
                yield self._messages()
                if self._log.denied:
                    raise self._log.denied

    def _messages(self) -> list[Message]:
        self._log.help(self._consumer)
        # One first, then what is there: a batch call alone would hold a lone message back.
        first = self._consumer.poll(READ_SECONDS)
        if first is None:
            return []
        found = [first, *self._consumer.consume(READ_MESSAGES, 0)]
        for message in found:
            error = message.error()
            if error is not None and not is_retriable(error):
                raise translate(error, place=f"topic {self._topic}")
        return [message for message in found if message.error() is None and not self._is_too_old(message)]

    def _is_too_old(self, message: Message) -> bool:
        return self._skip_before_ms is not None and message.timestamp()[1] < self._skip_before_ms

    def _assign_new_partitions(self) -> None:
        try:
            numbers = self._find_partitions()
            new = [TopicPartition(self._topic, number) for number in sorted(numbers - self._assigned)]
            if new:
                self._consumer.incremental_assign(self._placed(new))
        except KafkaException as error:
            if not is_retriable(error.args[0]):
                raise translate(error, place=f"topic {self._topic}") from error
            return
        self._assigned |= numbers
        self._has_looked = True

    def _find_partitions(self) -> set[int]:
        metadata = self._consumer.list_topics(self._topic, timeout=ANSWER_SECONDS).topics[self._topic]
        if metadata.error is not None and metadata.error.name() != "UNKNOWN_TOPIC_OR_PART":
            raise KafkaException(metadata.error)
        numbers = set(metadata.partitions)
        if self._partition is None or not numbers:
            return numbers
        if self._partition not in numbers:
            raise BrokerError(
                f"topic {self._topic} has no partition {self._partition}: it has {len(numbers)}, and the first is 0. "
                "Name one of these, or the topic alone.",
                code="UNKNOWN_PARTITION",
            )
        return {self._partition}

    def _placed(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        if isinstance(self._start, int):
            return [self._at_offset(each, self._start) for each in partitions]
        milliseconds = _milliseconds(self._start)
        if milliseconds is not None and self._skip_before_ms is None:
            asked = [TopicPartition(p.topic, p.partition, milliseconds) for p in partitions]
            return list(self._consumer.offsets_for_times(asked, timeout=ANSWER_SECONDS))
        # What is added later is new from its first message on.
        at_end = self._start == "latest" and not self._has_looked
        return [TopicPartition(p.topic, p.partition, OFFSET_END if at_end else OFFSET_BEGINNING) for p in partitions]

    def _at_offset(self, wanted: TopicPartition, offset: int) -> TopicPartition:
        # Where it isn't there, a consumer would show other messages instead.
        first, end = self._consumer.get_watermark_offsets(wanted, timeout=ANSWER_SECONDS)
        if first <= offset <= end:
            return TopicPartition(wanted.topic, wanted.partition, offset)
        there = f"any more: its oldest message has {first}" if offset < first else f"yet: its next message gets {end}"
        raise OffsetOutOfRangeError(
            f"{wanted.topic}[{wanted.partition}] has no offset {offset} {there}. Begin there, or at "
            f"{'earliest' if offset < first else 'latest'}."
        )


def _milliseconds(start: Start) -> int | None:
    # Below 0 Kafka has words of its own ("the latest"), and asks for a newer broker where it knows none.
    return max(0, int(start.timestamp() * 1000)) if isinstance(start, datetime) else None

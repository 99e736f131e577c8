"""A group's committed offsets and the ends of its partitions, read without joining it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from time import monotonic
from typing import Self, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from ...conf.values import Connection
from ...errors import AccessDeniedError, BrokerError, BrokerUnavailableError
from ...topic_names import cover
from ..errors.translate import translate
from ..opening import Properties, open_client
from ..properties.build import admin_properties
from ..transports.transport import transport_of
from .partition_ends import PartitionEnds

T = TypeVar("T")
Place = tuple[str, int]

ANSWER_SECONDS = 10.0
LOOK_SECONDS = 0.5


class GroupOffsets:
    """Asks one cluster about one group. Every question raises ``BrokerError`` where no answer can be had."""

    def __init__(self, connection: Connection, group: str) -> None:
        self._place = f"consumer group {group}"
        self._trouble: BrokerError | None = None
        ours = {"group.id": group, "enable.auto.commit": False, "isolation.level": "read_committed"}
        self._properties = Properties({**admin_properties(connection), **ours})
        options = {"error_cb": self._note, "log_level": 0}
        make = transport_of(connection).consumer
        self._consumer = open_client(make, self._properties, place=self._place, options=options)
        self._ends = PartitionEnds(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def places(self, topics: Collection[str], *, whole_names: bool) -> list[Place]:
        """The partitions of these topics; a ``^pattern`` stands for all that it matches, as a whole or at the start."""
        # Of all topics: a question for one would make it, where the broker makes topics on first use.
        found = self._ask(lambda timeout: self._consumer.list_topics(timeout=timeout)).topics
        wanted = [topic for topic in found if cover(topics, topic, whole_names=whole_names)]
        return sorted((topic, number) for topic in wanted for number in found[topic].partitions)

    def committed(self, places: Iterable[Place]) -> dict[Place, int | None]:
        """Kafka's offsets of the group; None where it has none."""
        asked = [TopicPartition(*place) for place in places]
        if not asked:
            return {}
        answers = self._ask(lambda timeout: self._consumer.committed(asked, timeout=timeout))
        if failed := next((answer.error for answer in answers if answer.error is not None), None):
            raise self._ours(failed)
        return {(a.topic, a.partition): a.offset if a.offset >= 0 else None for a in answers}

    def ends(self, places: Collection[Place]) -> dict[Place, tuple[int, int]]:
        """The first offset of each partition and the one after its last, without those of which they can't be known."""
        return self._ends.ask(places)

    def _ask(self, question: Callable[[float], T]) -> T:
        """The answer, asked for again while nothing speaks against it: a refused connection need not be waited for."""
        deadline, seconds = monotonic() + ANSWER_SECONDS, LOOK_SECONDS
        while True:
            try:
                return question(seconds)
            except KafkaException as error:
                self._consumer.poll(0)  # what the client has to report
                failure = self._trouble or self._ours(error.args[0])
                if self._trouble is not None or not failure.retriable or monotonic() >= deadline:
                    raise failure from error
                # A broker that is slow would never be heard out.
                seconds *= 2

    def _note(self, error: KafkaError) -> None:
        failure = self._ours(error)
        if isinstance(failure, AccessDeniedError | BrokerUnavailableError) and self._trouble is None:
            self._trouble = failure

    def _ours(self, error: KafkaError) -> BrokerError:
        return translate(error, place=self._place, properties=self._properties)

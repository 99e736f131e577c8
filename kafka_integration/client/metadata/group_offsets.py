"""A group's committed offsets and the ends of its partitions, read without joining it; and moved while nobody has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from time import monotonic
from typing import Any, Self, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from ...conf.connection import Connection
from ...errors import AccessDeniedError, BrokerError, BrokerUnavailableError
from ...topic_names import cover
from ..errors.translate import translate
from ..opening import Properties, open_client
from ..properties.build import admin_properties
from ..transports.choosing import transport_of
from .partition_ends import Ends, PartitionEnds, Place

T = TypeVar("T")

ANSWER_SECONDS = 10.0
LOOK_SECONDS = 0.5
JOIN_SECONDS = 3.0
JOIN_POLL_SECONDS = 0.05


class GroupOffsets:
    """Asks one cluster about one group. Every question raises ``BrokerError`` where no answer can be had."""

    def __init__(self, connection: Connection, group: str) -> None:
        self._place = f"consumer group {group}"
        self._trouble: BrokerError | None = None
        ours = {"group.id": group, "enable.auto.commit": False, "isolation.level": "read_committed"}
        self._properties = Properties({**admin_properties(connection), **ours})
        options = {"error_cb": self._note, "log_level": 0}
        self._transport = transport_of(connection)
        self._consumer = open_client(self._transport.consumer, self._properties, place=self._place, options=options)
        self._ends = PartitionEnds(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()
        self._consumer.close()

    def places(self, topics: Collection[str], *, whole_names: bool) -> list[Place]:
        """The partitions of these topics; a ``^pattern`` stands for all that it matches, as a whole or at the start."""
        # Of all topics: a question for one would make it, where the broker makes topics on first use.
        found = self._ask(lambda timeout: self._consumer.list_topics(timeout=timeout)).topics
        wanted = [topic for topic in found if cover(topics, topic, whole_names=whole_names)]
        return sorted((topic, number) for topic in wanted for number in found[topic].partitions)

    def committed(self, places: Iterable[Place]) -> dict[Place, int | None]:
        """Kafka's offsets of the group; None where it has none."""
        return {place: offset for place, (offset, _) in self.noted(places).items()}

    def noted(self, places: Iterable[Place]) -> dict[Place, tuple[int | None, str]]:
        """The same, with what was noted with each commit."""
        asked = [TopicPartition(*place) for place in places]
        if not asked:
            return {}
        answers = self._ask(lambda timeout: self._consumer.committed(asked, timeout=timeout))
        if failed := next((answer.error for answer in answers if answer.error is not None), None):
            raise self._ours(failed)
        return {(a.topic, a.partition): (a.offset if a.offset >= 0 else None, a.metadata or "") for a in answers}

    def ends(self, places: Collection[Place]) -> dict[Place, Ends]:
        """The first offset of each partition and the one after its last, without those of which they can't be known."""
        return self._ends.ask(places)

    def at(self, ends: Mapping[Place, Ends], moment_ms: int) -> dict[Place, int]:
        """The first offset of each partition whose message is no older, as ``PartitionEnds.at`` finds it."""
        return self._ends.at(ends, moment_ms)

    def move(self, offsets: Mapping[Place, int], *, metadata: str) -> None:
        """Commit for a group that has no members; ``BrokerError`` where it has some, or the broker refuses."""
        if not offsets:
            return
        moved = [TopicPartition(*place, offset, metadata) for place, offset in offsets.items()]
        if self._transport.takes_offsets_from_members_only:
            self._move_as_member(moved)
        else:
            self._commit(self._consumer, moved)

    def _commit(self, consumer: Any, moved: list[TopicPartition]) -> None:
        try:
            answers = consumer.commit(offsets=moved, asynchronous=False) or []
        except KafkaException as error:
            raise self._ours(error.args[0]) from error
        if failed := next((answer.error for answer in answers if answer.error is not None), None):
            raise self._ours(failed)

    def _move_as_member(self, moved: list[TopicPartition]) -> None:
        """Who is alone gets everything, and may commit it."""
        properties = Properties({**self._properties, "group.protocol": "consumer"})
        consumer = open_client(self._transport.consumer, properties, place=self._place, options={"log_level": 0})
        assigned: set[Place] = set()
        try:
            consumer.subscribe(
                sorted({partition.topic for partition in moved}),
                on_assign=lambda _, partitions: assigned.update((p.topic, p.partition) for p in partitions),
            )
            give_up_at = monotonic() + JOIN_SECONDS
            while not assigned.issuperset((p.topic, p.partition) for p in moved):
                if monotonic() >= give_up_at:
                    raise BrokerError(f"{self._place}: it has members, whose offsets only they can move")
                consumer.poll(JOIN_POLL_SECONDS)
            self._commit(consumer, moved)
        finally:
            consumer.close()

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

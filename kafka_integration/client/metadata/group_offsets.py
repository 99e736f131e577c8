"""A group's committed offsets and the ends of its partitions, read without joining it; and moved while nobody has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from time import monotonic
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from ...conf.connection import Connection
from ...errors import BrokerError
from ..errors.translate import translate
from ..opening import Properties, open_client
from ..properties.build import admin_properties
from ..transports.choosing import transport_of
from .cluster import Cluster, places_among
from .partition_ends import Ends, PartitionEnds, Place

JOIN_SECONDS = 3.0
JOIN_POLL_SECONDS = 0.05


class GroupOffsets:
    """Asks about one group; about topics and ends by an open cluster's client, if it is given one.

    Every question raises ``BrokerError`` where no answer can be had.
    """

    def __init__(self, by: Connection | Cluster, group: str) -> None:
        self._group = group
        self._place = f"consumer group {group}"
        self._is_borrowed = isinstance(by, Cluster)
        self._cluster = by if isinstance(by, Cluster) else Cluster(by)
        self._ends = PartitionEnds(self._cluster.admin)
        self._consumer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._consumer is not None:
            self._consumer.close()
        if not self._is_borrowed:
            self._cluster.close()

    def places(self, topics: Collection[str], *, whole_names: bool) -> list[Place]:
        """The partitions of these topics; a ``^pattern`` stands for all that it matches, as a whole or at the start."""
        return places_among(self._cluster.topics(self._place), topics, whole_names=whole_names)

    def connect(self) -> None:
        """Begin to connect the client that asks for offsets: until they are asked for, other things may be done."""
        self._member()

    def committed(self, places: Iterable[Place]) -> dict[Place, int | None]:
        """Kafka's offsets of the group; None where it has none."""
        return {place: offset for place, (offset, _) in self.noted(places).items()}

    def noted(self, places: Iterable[Place]) -> dict[Place, tuple[int | None, str]]:
        """The same, with what was noted with each commit."""
        asked = [TopicPartition(*place) for place in dict.fromkeys(places)]
        if not asked:
            return {}
        answers = self._cluster.ask(
            lambda client, timeout: client.committed(asked, timeout=timeout), self._place, client=self._member()
        )
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
        transport = transport_of(self._cluster.connection)
        is_member = transport.takes_offsets_from_members_only
        protocol = {"group.protocol": "consumer"} if is_member else {}
        ours = {"group.id": self._group, "enable.auto.commit": False, **protocol}
        properties = Properties({**admin_properties(self._cluster.connection), **ours})
        consumer = open_client(transport.consumer, properties, place=self._place, options={"log_level": 0})
        try:
            if is_member:
                self._join(consumer, moved)
            self._commit(consumer, moved)
        finally:
            consumer.close()

    def _member(self) -> Any:
        """A client of the group, which never joins it."""
        # No admin client: one that asks for a group's offsets while its coordinator moves ends this process
        # (librdkafka's issue 5040, there in 2.16 still).
        if self._consumer is None:
            ours = {"group.id": self._group, "enable.auto.commit": False, "isolation.level": "read_committed"}
            properties = Properties({**admin_properties(self._cluster.connection), **ours})
            options = {"error_cb": self._cluster.note, "log_level": 0}
            make = transport_of(self._cluster.connection).consumer
            self._consumer = open_client(make, properties, place=self._place, options=options)
        return self._consumer

    def _join(self, consumer: Any, moved: list[TopicPartition]) -> None:
        """Who is alone gets everything, and may commit it."""
        assigned: set[Place] = set()
        consumer.subscribe(
            sorted({partition.topic for partition in moved}),
            on_assign=lambda _, partitions: assigned.update((p.topic, p.partition) for p in partitions),
        )
        give_up_at = monotonic() + JOIN_SECONDS
        while not assigned.issuperset((p.topic, p.partition) for p in moved):
            if monotonic() >= give_up_at:
                raise BrokerError(f"{self._place}: it has members, whose offsets only they can move")
            consumer.poll(JOIN_POLL_SECONDS)

    def _commit(self, consumer: Any, moved: list[TopicPartition]) -> None:
        try:
            answers = consumer.commit(offsets=moved, asynchronous=False) or []
        except KafkaException as error:
            raise self._ours(error.args[0]) from error
        if failed := next((answer.error for answer in answers if answer.error is not None), None):
            raise self._ours(failed)

    def _ours(self, error: KafkaError) -> BrokerError:
        return translate(error, place=self._place, properties=admin_properties(self._cluster.connection))

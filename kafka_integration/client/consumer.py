"""The Kafka consumer as the loop uses it: one thread, offsets by number, our errors.

Everything here belongs to the loop's thread, and the callbacks run in it, inside ``fetch`` or ``close``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as RawMessage

from ..conf.consumers import ConsumerSettings
from ..errors import AccessDeniedError, BrokerError
from ..topic_names import is_kafkas_own, names_among
from .committed import OFFSETS_IN_KAFKA, Committed, committed_by
from .errors.translate import translate, translated
from .log.client_log import ClientLog
from .metadata.group_protocols import require_consumer_protocol
from .metadata.leader_epochs import LeaderEpochs
from .opening import Properties, open_client
from .properties.build import METADATA_REFRESH, METADATA_REFRESH_MS, consumer_properties
from .transports.choosing import transport_of

Coordinates = tuple[str, int]

_NOT_NOW = frozenset({KafkaError._STATE, KafkaError._UNKNOWN_PARTITION, KafkaError._TIMED_OUT})


class Listener(Protocol):
    """Who is told of the assignment and of commits; none of these may raise."""

    def assigned(self, partitions: list[Coordinates]) -> None: ...
    def revoked(self, partitions: list[Coordinates]) -> None: ...
    def lost(self, partitions: list[Coordinates]) -> None: ...
    def committed(self, offsets: dict[Coordinates, int], error: BrokerError | None) -> None: ...


class ConsumerClient:
    """One member of a consumer group."""

    def __init__(
        self, settings: ConsumerSettings, listener: Listener, *, refresh_ms: int = METADATA_REFRESH_MS
    ) -> None:
        self._settings = settings
        self._name = f"consumer {settings.name}"
        self._listener = listener
        self._transport = transport_of(settings.connection)
        self._metadata = OFFSETS_IN_KAFKA if settings.offset_storage == "kafka" else ""
        self._properties = Properties(
            {
                **consumer_properties(settings, refresh_ms=refresh_ms),
                # Where to begin is the loop's decision: a number, logged, never a silent jump.
                "auto.offset.reset": "error",
                "on_commit": self._on_commit,
            }
        )
        self._translated = translated(self._name, properties=self._properties)
        self.adds_one_by_one = self._properties["group.protocol"] == "consumer" or "cooperative" in str(
            self._properties.get("partition.assignment.strategy", "")
        )
        """False in an eager group, where each change is one of the whole assignment."""
        self.is_told_of_additions_only = self._properties["group.protocol"] == "consumer"
        """True under KIP-848, where a member that gets nothing hears nothing."""
        self.refresh_ms = None if METADATA_REFRESH in settings.connection.config else refresh_ms
        """How often it asks what its topics are like; None where the settings say that."""
        self.log = ClientLog(self._name, properties=self._properties)
        # Those of the assigned partitions that librdkafka has: it knows where they begin.
        self._placed: set[Coordinates] = set()
        self.topics: set[str] = set()
        """Those of which it was ever given a partition: it fetches nothing of others."""
        self.leader_epochs = LeaderEpochs()
        self._paused: set[Coordinates] = set()
        self._closing: threading.Thread | None = None
        self._consumer = open_client(
            self._transport.consumer, self._properties, place=self._name, options=self.log.options()
        )

    def subscribe(self) -> None:
        """Join the group; ``BrokerError`` if the subscription itself is refused."""
        self._transport.make_topics(self._properties["bootstrap.servers"], self._settings.topics)
        with self._translated:
            self._consumer.subscribe(
                list(self._settings.topics),
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )

    @property
    def member_id(self) -> str | None:
        """What the group calls this member; None as long as it isn't one."""
        try:
            return self._consumer.memberid() or None
        except (AttributeError, RuntimeError):
            # What a tracer wraps around a consumer may not pass this on.
            return None

    def fetch(self, limit: int, timeout: float) -> list[RawMessage]:
        """Up to ``limit`` messages: those that are there; where none is it waits ``timeout`` seconds for the first.

        A batch call that waits would hold a lone message back until its time is over.
        """
        with self._translated:
            # One call where there is a backlog: at each of them handlers' threads take the interpreter.
            raws: list[RawMessage] = self._consumer.consume(limit, 0)
            if not raws and (first := self._consumer.poll(timeout)) is not None:
                raws = [first, *(self._consumer.consume(limit - 1, 0) if limit > 1 else ())]
            # Before anybody looks whether it is stranded, which it may have learnt just now.
            self.log.help(self._consumer)
        return raws

    def require_access(self, timeout: float) -> None:
        """``AccessDeniedError`` if an ACL on one of the topics, or on the group, is missing."""
        topics = names_among(self._settings.topics)
        with self._translated:
            errors = [self._consumer.list_topics(topic, timeout).topics[topic].error for topic in topics]
        for found in errors:
            if found is not None and isinstance(refused := self._ours(found), AccessDeniedError):
                raise refused
        self.last_commits([(topic, 0) for topic in topics[:1]], timeout)

    def require_group_protocol(self, timeout: float) -> None:
        """``BrokerError``, a fatal one if the brokers don't know the protocol of the group."""
        if self.is_told_of_additions_only:
            require_consumer_protocol(self._settings.connection, place=self._name, timeout=timeout)

    def last_commits(self, partitions: Iterable[Coordinates], timeout: float) -> dict[Coordinates, Committed]:
        """The group's committed offsets, and whose they are."""
        with self._translated:
            answers = self._consumer.committed([TopicPartition(*c) for c in partitions], timeout=timeout)
        for answer in answers:
            if answer.error is not None:
                raise self._ours(answer.error)
            self.leader_epochs.remember((answer.topic, answer.partition), answer.offset, answer.leader_epoch)
        return {(a.topic, a.partition): committed_by(a) for a in answers}

    def ends(self, coordinates: Coordinates, timeout: float) -> tuple[int, int]:
        """The first offset of a partition and the one after its last, asked of the broker."""
        with self._translated:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(*coordinates), timeout=timeout)
        return low, high

    def has_read(self, coordinates: Coordinates, position: int) -> bool:
        """Whether nothing was beyond this position when the broker last answered a fetch; it isn't asked."""
        try:
            _low, high = self._consumer.get_watermark_offsets(TopicPartition(*coordinates), cached=True)
        except KafkaException:
            return False
        return bool(0 <= high <= position)

    def place(self, starts: Mapping[Coordinates, int], flowing: Mapping[Coordinates, int]) -> bool:
        """Let assigned partitions flow from these offsets; False in a rebalance, when another try is due later.

        ``flowing`` are the positions of those that flow already: in an eager group each change replaces the whole
        assignment, and with it their pauses and what was prefetched of them.
        """
        parts = self._positions(starts)
        # Before they get a place: librdkafka keeps a pause over reassignments, and resumes where it paused.
        self.resume(starts)
        try:
            if self.adds_one_by_one:
                # Not a seek: after an error such as an offset out of range nothing else gets a partition going.
                self._unassign(self._placed.intersection(starts))
                self._consumer.incremental_assign(parts)
            else:
                self._consumer.assign([*parts, *self._positions(flowing)])
        except KafkaException as error:
            if error.args[0].code() in _NOT_NOW:
                return False
            raise self._ours(error) from error
        self._placed.update(starts)
        return True

    def pause(self, partitions: Iterable[Coordinates]) -> None:
        places = self._placed.intersection(partitions)
        self._paused |= places
        with suppress(KafkaException):
            self._consumer.pause([TopicPartition(*c) for c in places])

    def resume(self, partitions: Iterable[Coordinates]) -> None:
        places = self._paused.intersection(partitions)
        self._paused -= places
        with suppress(KafkaException):
            self._consumer.resume([TopicPartition(*c) for c in places])

    def commit(
        self, offsets: Mapping[Coordinates, int], *, wait: bool, notes: Mapping[Coordinates, str] | None = None
    ) -> None:
        """Commit, with what is noted; the listener hears of the outcome, with ``wait`` before this returns.

        Never raises.
        """
        noted = notes or {}
        parts = [self._position(place, offset, noted.get(place, "")) for place, offset in offsets.items()]
        try:
            if not wait:
                self._consumer.commit(offsets=parts, asynchronous=True)
                return
            answers = self._consumer.commit(offsets=parts, asynchronous=False) or []
            error = next((a.error for a in answers if a.error is not None), None)
        except KafkaException as failure:
            error = failure.args[0]
        # Waiting commits are reported here, whether or not librdkafka calls on_commit for them as well.
        self._listener.committed(dict(offsets), None if error is None else self._ours(error))

    def _positions(self, offsets: Mapping[Coordinates, int]) -> list[TopicPartition]:
        """Offsets with the epochs that go with them: at the next change of a leader the broker is asked for a cut."""
        return [self._position(place, offset) for place, offset in offsets.items()]

    def _position(self, place: Coordinates, offset: int, note: str = "") -> TopicPartition:
        epoch = self.leader_epochs.of(place, offset)
        metadata = f"{self._metadata}; {note}" if note else self._metadata
        return TopicPartition(*place, offset, metadata, leader_epoch=-1 if epoch is None else epoch)

    def close(self, timeout: float) -> bool:
        """Leave the group; callbacks for what is still assigned run in here. False if it is still at it.

        A thread of its own, as closing has no time-out: while the group waits for another member, the broker
        answers no request to leave.
        """
        if self._closing is None:
            self._closing = threading.Thread(target=self._close, name=f"close-{self._settings.name}", daemon=True)
            self._closing.start()
        self._closing.join(timeout)
        return not self._closing.is_alive()

    def abandon(self) -> None:
        """Don't wait for the group any longer."""
        # What it will be told when it gets that far is about partitions that may be somebody else's by then.
        self._listener = _Nobody()

    @property
    def is_stranded(self) -> bool:
        """True if it gave up all brokers, and can't be told of others."""
        return self.log.stranding.is_certain

    def has_other_servers(self) -> bool:
        """True if the endpoints lead elsewhere now."""
        return self._transport.has_moved(self._settings.connection, self._properties["bootstrap.servers"])

    def _close(self) -> None:
        with suppress(KafkaException, RuntimeError):
            self._consumer.close()

    def _on_assign(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        # Nothing flows before the loop knows from where. A provisional place at OFFSET_END would be looked up; the
        # answer comes after the seek, is found outdated, is looked up again, and librdkafka jumps there.
        if self.adds_one_by_one:
            consumer.incremental_assign([])
        else:
            self._placed.clear()
            consumer.assign([])
        # A broker takes a pattern for all topics that it matches, its own too. Those are left where they are, and no
        # others: whatever else it gives us, nobody else in the group would read.
        places = [(p.topic, p.partition) for p in partitions if not is_kafkas_own(self._settings.topics, p.topic)]
        self.topics.update(topic for topic, _ in places)
        self._listener.assigned(places)

    def _on_revoke(self, _: Any, partitions: list[TopicPartition]) -> None:
        coordinates = [(p.topic, p.partition) for p in partitions]
        self._listener.revoked(coordinates)
        self._give_up(coordinates)

    def _on_lost(self, _: Any, partitions: list[TopicPartition]) -> None:
        coordinates = [(p.topic, p.partition) for p in partitions]
        self._listener.lost(coordinates)
        self._give_up(coordinates)

    def _give_up(self, coordinates: list[Coordinates]) -> None:
        """Take partitions out of librdkafka's hands; by itself it would also try those that it never had."""
        self.leader_epochs.forget(coordinates)
        self.resume(coordinates)
        if self.adds_one_by_one:
            self._unassign(self._placed.intersection(coordinates))
        else:
            self._placed.clear()
            self._consumer.unassign()

    def _unassign(self, coordinates: Iterable[Coordinates]) -> None:
        leaving = list(coordinates)
        self._placed.difference_update(leaving)
        self._consumer.incremental_unassign([TopicPartition(*c) for c in leaving])

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        failed = error or next((p.error for p in partitions if p.error is not None), None)
        offsets = {(p.topic, p.partition): p.offset for p in partitions}
        self._listener.committed(offsets, None if failed is None else self._ours(failed))

    def _ours(self, error: KafkaError | KafkaException) -> BrokerError:
        return translate(error, place=self._name, properties=self._properties)


class _Nobody:
    """Listens to a client that was given up."""

    def assigned(self, partitions: list[Coordinates]) -> None: ...
    def revoked(self, partitions: list[Coordinates]) -> None: ...
    def lost(self, partitions: list[Coordinates]) -> None: ...
    def committed(self, offsets: dict[Coordinates, int], error: BrokerError | None) -> None: ...

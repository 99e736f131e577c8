"""confluent-kafka's ``Consumer`` on the memory broker: what this package calls of it, and the usual rest."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import OFFSET_END, OFFSET_INVALID, KafkaError, Message, TopicPartition

from ....topic_names import names_among
from .broker import MemoryBroker
from .metadata import ClusterMetadata, cluster_metadata
from .places import Place, after, failure, places_of
from .positions import RESET_POLICIES, Positions

RebalanceCallback = Callable[["MemoryConsumer", list[TopicPartition]], None]
CommitCallback = Callable[[KafkaError | None, list[TopicPartition]], None]


class MemoryConsumer:
    """A member of a group in this process. Rebalances are eager and happen inside ``poll()`` and ``consume()``.

    It differs from the real one where that helps tests: ``consume()`` returns as soon as there is a message,
    there is no auto-commit, and asynchronous commits are done, if not yet reported, when the call returns.
    """

    def __init__(self, broker: MemoryBroker, properties: Mapping[str, Any]) -> None:
        self._broker = broker
        self._group = str(properties["group.id"])
        self._member_id = f"{properties.get('client.id', 'memory')}-{uuid.uuid4()}"
        self._positions = Positions(
            broker,
            self._group,
            reset_policy=RESET_POLICIES[properties.get("auto.offset.reset", "latest")],
            report_ends=properties.get("enable.partition.eof") in (True, "true"),
        )
        self._subscription: tuple[str, ...] = ()
        self._unknown_topics: set[str] = set()
        self._callbacks: dict[str, RebalanceCallback | None] = {}
        self._holds_share = False
        self._share: tuple[Place, ...] = ()
        self._assigned_by_callback = False
        self._stored: dict[Place, int] = {}
        self._on_commit: CommitCallback | None = properties.get("on_commit")
        self._unreported_commits: list[list[TopicPartition]] = []
        self._closed = False

    # --- Membership

    def subscribe(
        self,
        topics: Sequence[str],
        on_assign: RebalanceCallback | None = None,
        on_revoke: RebalanceCallback | None = None,
        on_lost: RebalanceCallback | None = None,
    ) -> None:
        self._check_open()
        self._subscription = tuple(topics)
        self._unknown_topics = set(names_among(topics))
        self._callbacks = {"assign": on_assign, "revoke": on_revoke, "lost": on_lost or on_revoke}
        self._broker.join(self._group, self._member_id, self._subscription)

    def unsubscribe(self) -> None:
        self._check_open()
        self._leave()

    def close(self) -> None:
        if not self._closed:
            self._leave()
            self._report_commits()
            self._closed = True

    def memberid(self) -> str:
        self._check_open()
        return self._member_id

    # --- Messages

    def poll(self, timeout: float = -1) -> Message | None:
        messages = self.consume(1, timeout)
        return messages[0] if messages else None

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        self._check_open()
        deadline = None if timeout is None or timeout < 0 else time.monotonic() + timeout
        while True:
            self._report_commits()
            self._follow_group()
            with self._broker.changed:
                events = self._events(num_messages)
                remaining = None if deadline is None else deadline - time.monotonic()
                if events or (remaining is not None and remaining <= 0):
                    return events
                if not self._has_to_follow_group():
                    self._broker.changed.wait(remaining)

    # --- Assignment

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        self._check_open()
        with self._broker.changed:
            self._assigned_by_callback = True
            self._stored.clear()
            self._positions.replace(partitions)

    def unassign(self) -> None:
        self.assign([])

    def incremental_assign(self, partitions: Iterable[TopicPartition]) -> None:
        self._check_open()
        with self._broker.changed:
            self._assigned_by_callback = True
            self._positions.add(partitions)

    def incremental_unassign(self, partitions: Iterable[TopicPartition]) -> None:
        self._check_open()
        with self._broker.changed:
            self._assigned_by_callback = True
            self._positions.remove(places_of(partitions))

    def assignment(self) -> list[TopicPartition]:
        self._check_open()
        return [TopicPartition(*place) for place in self._positions.places()]

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self._check_open()
        with self._broker.changed:
            self._positions.set_paused(places_of(partitions), paused=True)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self._check_open()
        with self._broker.changed:
            self._positions.set_paused(places_of(partitions), paused=False)
            self._broker.changed.notify_all()

    def seek(self, partition: TopicPartition) -> None:
        self._check_open()
        with self._broker.changed:
            self._positions.seek((partition.topic, partition.partition), partition.offset)

    # --- Offsets

    def store_offsets(self, message: Message | None = None, offsets: Iterable[TopicPartition] | None = None) -> None:
        self._check_open()
        for wanted in offsets if offsets is not None else after(message):
            place = wanted.topic, wanted.partition
            if place not in self._positions:
                raise failure(KafkaError._STATE, f"{wanted.topic} [{wanted.partition}] is not assigned")
            self._stored[place] = wanted.offset

    def commit(
        self,
        message: Message | None = None,
        offsets: Iterable[TopicPartition] | None = None,
        asynchronous: bool = True,
    ) -> list[TopicPartition] | None:
        self._check_open()
        if offsets is None and message is None:
            offsets = [TopicPartition(*place, offset) for place, offset in self._stored.items()]
        wanted = list(offsets) if offsets is not None else after(message)
        with self._broker.changed:
            if self._subscription and not self._broker.group(self._group).has(self._member_id):
                raise failure(KafkaError.UNKNOWN_MEMBER_ID, "Broker: Unknown member")
            if not asynchronous and not any(partition.offset >= 0 for partition in wanted):
                raise failure(KafkaError._NO_OFFSET, "Local: No offset stored")
            for partition in wanted:
                if partition.offset >= 0:
                    place = partition.topic, partition.partition
                    self._broker.commit(self._group, *place, partition.offset, partition.metadata or "")
        if not asynchronous:
            return wanted
        self._unreported_commits.append(wanted)
        return None

    def committed(self, partitions: Iterable[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        self._check_open()
        return [
            TopicPartition(*place, self._committed(place), self._broker.committed_metadata(self._group, *place))
            for place in places_of(partitions)
        ]

    def position(self, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
        self._check_open()
        return [TopicPartition(*place, self._positions.position(place)) for place in places_of(partitions)]

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = -1, cached: bool = False
    ) -> tuple[int, int]:
        self._check_open()
        found = self._broker.partition(partition.topic, partition.partition)
        return found.low_offset, found.end_offset

    def offsets_for_times(self, partitions: Iterable[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        self._check_open()
        return [TopicPartition(p.topic, p.partition, self._first_since(p)) for p in partitions]

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> ClusterMetadata:
        self._check_open()
        return cluster_metadata(self._broker, topic)

    # --- Inside

    def _report_commits(self) -> None:
        reports, self._unreported_commits = self._unreported_commits, []
        for offsets in reports:
            if self._on_commit:
                self._on_commit(None, offsets)

    def _events(self, most: int) -> list[Message]:
        events = self._absent_topics()
        while len(events) < most and (event := self._positions.next_event()) is not None:
            events.append(event)
        return events

    def _absent_topics(self) -> list[Message]:
        absent = sorted(self._unknown_topics - self._broker.topics.keys())
        self._unknown_topics.clear()
        reason = "Subscribed topic not available: {}: Broker: Unknown topic or partition"
        return [
            Message(topic=topic, error=KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, reason.format(topic)))
            for topic in absent
        ]

    def _has_to_follow_group(self) -> bool:
        if not self._subscription:
            return False
        group = self._broker.group(self._group)
        if not group.is_synced(self._member_id):
            return True
        return not self._holds_share and group.share_of(self._member_id) is not None

    def _follow_group(self) -> None:
        """Lets go of an outdated share, and takes the new one once everybody has let go."""
        if not self._subscription:
            return
        group = self._broker.group(self._group)
        if not group.has(self._member_id):
            self._let_go("lost")
            self._broker.join(self._group, self._member_id, self._subscription)
        if not group.is_synced(self._member_id):
            self._let_go("revoke")
            with self._broker.changed:
                if self._broker.group(self._group).has(self._member_id):
                    self._broker.group(self._group).sync(self._member_id)
                    self._broker.changed.notify_all()
        self._take_share()

    def _take_share(self) -> None:
        with self._broker.changed:
            group = self._broker.group(self._group)
            share = group.share_of(self._member_id) if group.has(self._member_id) else None
            if self._holds_share or share is None:
                return
            self._holds_share = True
            self._share = tuple(share)
        partitions = [TopicPartition(*place) for place in self._share]
        if not self._call("assign", partitions):
            self.assign(partitions)

    def _let_go(self, callback: str) -> None:
        # The flag goes first: a callback that polls or commits must not start over.
        held, self._holds_share = self._holds_share, False
        # The group's share, whether or not the application has begun to read all of it.
        if held and self._share:
            self._call(callback, [TopicPartition(*place) for place in self._share])
        self._positions.replace([])
        self._stored.clear()

    def _call(self, name: str, partitions: list[TopicPartition]) -> bool:
        """Whether the callback changed the assignment itself."""
        self._assigned_by_callback = False
        if callback := self._callbacks.get(name):
            callback(self, partitions)
        return self._assigned_by_callback

    def _leave(self) -> None:
        if self._subscription:
            self._let_go("revoke")
            self._broker.leave(self._group, self._member_id)
            self._subscription = ()

    def _committed(self, place: Place) -> int:
        offset = self._broker.committed(self._group, *place)
        return OFFSET_INVALID if offset is None else offset

    def _first_since(self, wanted: TopicPartition) -> int:
        records = self._broker.partition(wanted.topic, wanted.partition).records
        return next((record.offset for record in list(records) if record.timestamp_ms >= wanted.offset), OFFSET_END)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("Consumer closed")

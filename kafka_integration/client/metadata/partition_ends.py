"""Where partitions begin and end, asked of the brokers for many at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future, wait
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition

from ...conf.connection import Connection
from .admin import Admin, Asker

Place = tuple[str, int]
Ends = tuple[int, int]
"""The first offset, and the one after the last."""

ANSWER_SECONDS = 10.0


class PartitionEnds(Asker):
    """One connection's. What the client itself knows of ends stands still while a partition is paused.

    Who can't wait asks by a client that was asked for topics before: one that is connecting misses its brokers' answer
    about leaders now and then, and asks again 3 seconds later.
    """

    def __init__(self, by: Connection | Admin) -> None:
        self._ask_by(by, asks_for="ends of partitions")

    def at(self, ends: Mapping[Place, Ends], moment_ms: int) -> dict[Place, int]:
        """The first offset of each partition whose message is no older; the end given where all are. As ``ask`` else.

        With the ends as they are now, what was written since they were asked for would be passed over.
        """
        from confluent_kafka.admin._listoffsets import OffsetSpec

        client = self._admin.client()
        moment: OffsetSpec = OffsetSpec.for_timestamp(moment_ms)
        latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # as below
        # Without a leader an answer is below 0 too, but then there is no end either.
        found, led = _send(client, ends, moment), _send(client, ends, latest)
        wait((*found.values(), *led.values()), timeout=ANSWER_SECONDS)
        offsets = {place: _raw_offset(answer) for place, answer in found.items() if _offset(led[place]) is not None}
        return {
            place: ends[place][1] if offset < 0 else offset for place, offset in offsets.items() if offset is not None
        }

    def ask(self, places: Collection[Place]) -> dict[Place, Ends]:
        """The first offset of each partition and the one after its last; ``BrokerError`` if there can't be a client.

        What isn't known in time, as where a partition has no leader, is left out.
        """
        # Not at the top: a consumer asks long after it has begun, and loading this would take its time before.
        from confluent_kafka.admin._listoffsets import OffsetSpec

        client = self._admin.client()
        earliest: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # the client's own lacks annotations
        latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # as above
        firsts, ends = _send(client, places, earliest), _send(client, places, latest)
        wait((*firsts.values(), *ends.values()), timeout=ANSWER_SECONDS)
        both = {place: (_offset(firsts[place]), _offset(end)) for place, end in ends.items()}
        known = {place: (first, end) for place, (first, end) in both.items() if first is not None and end is not None}
        if known:
            self._admin.note_answer()
        elif places:
            self._admin.note_silence()
        return known


def _send(client: Any, places: Iterable[Place], spec: Any) -> dict[Place, Future[Any]]:
    asked = {TopicPartition(*place): spec for place in places}
    if not asked:
        return {}
    # As consumers see it: what an open transaction has written is not there yet.
    answers = client.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_SECONDS)
    return {(asked.topic, asked.partition): answer for asked, answer in answers.items()}


def _offset(answer: Future[Any]) -> int | None:
    offset = _raw_offset(answer)
    # Below 0 where no leader was found in time.
    return None if offset is None or offset < 0 else offset


def _raw_offset(answer: Future[Any]) -> int | None:
    try:
        return int(answer.result().offset) if answer.done() else None
    except KafkaException:
        return None

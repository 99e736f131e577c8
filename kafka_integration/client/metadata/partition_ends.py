"""Where partitions begin and end, asked of the brokers for many at once and without waiting for the answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import ListOffsetsResultInfo, OffsetSpec

from ...conf.values import Connection
from ..properties.build import open_admin
from ..transports.memory import memory_broker

Place = tuple[str, int]

ANSWER_SECONDS = 10.0
_EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # the client's own lacks annotations
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # as above


class PartitionEnds:
    """One connection's. What the client itself knows of ends stands still while a partition is paused."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._admin: AdminClient | None = None

    def ask(self, places: Collection[Place]) -> EndsQuestion:
        """Send the question; ``BrokerError`` if there can't be a client to ask it."""
        if self._connection.transport == "memory":
            return _of_memory(places)
        if self._admin is None:
            self._admin = open_admin(self._connection, place="ends of partitions")
        return EndsQuestion(_first=self._send(places, _EARLIEST), _end=self._send(places, _LATEST))

    def _send(self, places: Iterable[Place], spec: OffsetSpec) -> dict[Place, Future[Any]]:
        asked = {TopicPartition(*place): spec for place in places}
        if not asked:
            return {}
        assert self._admin is not None
        # As consumers see it: what an open transaction has written is not there yet.
        answers = self._admin.list_offsets(
            asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_SECONDS
        )
        return {(asked.topic, asked.partition): answer for asked, answer in answers.items()}


@dataclass(frozen=True, kw_only=True)
class EndsQuestion:
    """A question under way. What can't be known, as where a partition has no leader, is left out of the answer."""

    _first: Mapping[Place, Future[Any]]
    _end: Mapping[Place, Future[Any]]

    @property
    def is_answered(self) -> bool:
        return all(answer.done() for answer in (*self._first.values(), *self._end.values()))

    def wait(self, seconds: float) -> None:
        """Wait until it is answered, or so long."""
        wait((*self._first.values(), *self._end.values()), timeout=seconds)

    def answer(self) -> dict[Place, tuple[int, int]]:
        """The first offset and the one after the last, of each partition of which both are known by now."""
        both = {place: (_offset(self._first[place]), _offset(end)) for place, end in self._end.items()}
        return {place: (first, end) for place, (first, end) in both.items() if first is not None and end is not None}


def _of_memory(places: Iterable[Place]) -> EndsQuestion:
    first: dict[Place, Future[Any]] = {}
    end: dict[Place, Future[Any]] = {}
    for place in places:
        with suppress(KafkaException):
            partition = memory_broker().partition(*place)
            first[place], end[place] = _known(partition.low_offset), _known(partition.end_offset)
    return EndsQuestion(_first=first, _end=end)


def _known(offset: int) -> Future[Any]:
    answer: Future[Any] = Future()
    answer.set_result(ListOffsetsResultInfo(offset, -1, -1))
    return answer


def _offset(answer: Future[Any]) -> int | None:
    if not answer.done():
        return None
    try:
        offset = int(answer.result().offset)
    except KafkaException:
        return None
    # Below 0 where no leader was found in time.
    return offset if offset >= 0 else None

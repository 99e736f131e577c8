"""Where partitions begin and end, asked of the brokers for many at once and without waiting for the answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin._listoffsets import OffsetSpec

from ...conf.values import Connection
from .admin import Admin

Place = tuple[str, int]

ANSWER_SECONDS = 10.0
_EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # the client's own lacks annotations
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # as above


class PartitionEnds:
    """One connection's. What the client itself knows of ends stands still while a partition is paused."""

    def __init__(self, connection: Connection) -> None:
        self._admin = Admin(connection, asks_for="ends of partitions")

    def ask(self, places: Collection[Place]) -> EndsQuestion:
        """Send the question; ``BrokerError`` if there can't be a client to ask it."""
        client = self._admin.client()
        return EndsQuestion(_first=_send(client, places, _EARLIEST), _end=_send(client, places, _LATEST))


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


def _send(client: Any, places: Iterable[Place], spec: OffsetSpec) -> dict[Place, Future[Any]]:
    asked = {TopicPartition(*place): spec for place in places}
    if not asked:
        return {}
    # As consumers see it: what an open transaction has written is not there yet.
    answers = client.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_SECONDS)
    return {(asked.topic, asked.partition): answer for asked, answer in answers.items()}


def _offset(answer: Future[Any]) -> int | None:
    if not answer.done():
        return None
    try:
        offset = int(answer.result().offset)
    except KafkaException:
        return None
    # Below 0 where no leader was found in time.
    return offset if offset >= 0 else None

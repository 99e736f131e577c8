"""Committing what is finished: at an interval, before a partition is let go, and at the end."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from time import monotonic

from ..client.consumer import ConsumerClient, Coordinates
from ..errors import BrokerError
from .partition import Partition

logger = logging.getLogger(__name__)


class Commits:
    """Keeps Kafka's committed offsets behind the ledgers; the loop thread's own."""

    def __init__(self, *, consumer: str, interval_seconds: float) -> None:
        self._consumer = consumer
        self._interval_seconds = interval_seconds
        self._next_at = monotonic() + interval_seconds
        self._in_flight: dict[Coordinates, int] = {}

    @property
    def is_due(self) -> bool:
        return monotonic() >= self._next_at

    @property
    def is_quiet(self) -> bool:
        """True when no answer to a commit is awaited."""
        return not self._in_flight

    def commit(self, client: ConsumerClient, partitions: Iterable[Partition], *, wait: bool = False) -> None:
        """Commit what these partitions have finished since their last commit."""
        self._next_at = monotonic() + self._interval_seconds
        offsets = {p.key: offset for p in partitions if (offset := self._due(p)) is not None}
        if offsets:
            self._in_flight.update(offsets)
            client.commit(offsets, wait=wait)

    def confirm(self, coordinates: Coordinates, partition: Partition | None, offset: int) -> None:
        """The broker holds ``offset`` now."""
        self._in_flight.pop(coordinates, None)
        if partition is not None:
            ledger = partition.ledger
            ledger.committed = offset if ledger.committed is None else max(offset, ledger.committed)

    def fail(self, coordinates: Iterable[Coordinates], error: BrokerError) -> None:
        """The broker refused: what these offsets cover is due again at the next interval."""
        for place in coordinates:
            self._in_flight.pop(place, None)
        logger.warning(
            "consumer %s: a commit failed; what it covered is committed later or delivered again: %s",
            self._consumer, error,
        )  # fmt: skip

    def forget(self) -> None:
        """Await no answers any more: whoever owed them is gone."""
        self._in_flight.clear()

    def _due(self, partition: Partition) -> int | None:
        ledger = partition.ledger
        offset = ledger.next_offset
        done = -1 if ledger.committed is None else ledger.committed
        if offset is None or offset <= max(done, self._in_flight.get(partition.key, -1)):
            return None
        return offset

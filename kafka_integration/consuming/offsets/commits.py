"""Committing what is finished: at an interval, before a partition is let go, and at the end."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from time import monotonic, sleep

from ...client.consumer import ConsumerClient, Coordinates
from ...conf.values import ConsumerSettings
from ...errors import BrokerError
from ..partition import Partition
from .stored_ends import Ends

logger = logging.getLogger(__name__)

STALE = "STALE_MEMBER_EPOCH"
"""KIP-848: the group has moved on, and the next heartbeat, which is on its way, tells us how far."""
STALE_TRIES = 5
STALE_SECONDS = 0.2


class Commits:
    """Keeps Kafka's committed offsets behind the ledgers; the loop thread's own."""

    def __init__(self, settings: ConsumerSettings, client: ConsumerClient, ends: Ends) -> None:
        self._consumer = settings.name
        self._client = client
        self._ends = ends
        self._interval_seconds = settings.offset_commit_interval_seconds
        self._next_at = monotonic() + self._interval_seconds
        self._in_flight: dict[Coordinates, int] = {}
        self._refusal: BrokerError | None = None
        self._has_given_up = False

    @property
    def is_due(self) -> bool:
        return monotonic() >= self._next_at

    @property
    def is_quiet(self) -> bool:
        """True when no answer to a commit is awaited."""
        return not self._in_flight

    def commit(self, partitions: Iterable[Partition], *, wait: bool = False) -> None:
        """Commit what these partitions have finished since their last commit."""
        self._next_at = monotonic() + self._interval_seconds
        offsets = {p.key: offset for p in partitions if (offset := self._due(p, wait)) is not None}
        if offsets:
            self._in_flight.update(offsets)
            self._client.commit(offsets, wait=wait)

    def commit_before_leaving(self, partitions: list[Partition]) -> None:
        """Commit and wait for the answer: there is no next interval, the next owner begins at what this says."""
        if self._has_given_up:
            return
        self._ends.store_before_leaving(partitions)
        for _ in range(STALE_TRIES):
            refusal = self._commit_and_wait(partitions)
            if refusal is None or refusal.code != STALE:
                return
            sleep(STALE_SECONDS)

    def confirm(self, coordinates: Coordinates, partition: Partition | None, offset: int) -> None:
        """The broker holds ``offset`` now."""
        self._in_flight.pop(coordinates, None)
        if partition is not None:
            partition.ledger.confirm(offset)

    def fail(self, coordinates: Iterable[Coordinates], error: BrokerError) -> None:
        """The broker refused: what these offsets cover is due again at the next interval."""
        for place in coordinates:
            self._in_flight.pop(place, None)
        self._refusal = error
        logger.warning(
            "consumer %s: a commit failed; what it covered is committed later or delivered again: %s",
            self._consumer, error,
        )  # fmt: skip

    def give_up(self) -> None:
        """Wait for no further answer: the time for it is over, and who owes it doesn't give one."""
        self._has_given_up = True

    def _commit_and_wait(self, partitions: list[Partition]) -> BrokerError | None:
        self._refusal = None
        self.commit(partitions, wait=True)
        return self._refusal

    def _due(self, partition: Partition, wait: bool) -> int | None:
        ledger = partition.ledger
        offset = ledger.next_offset
        if offset is not None and partition.stored is not None:
            # Where the database counts, Kafka follows: beyond it, the offset would look like somebody else's.
            offset = min(offset, partition.stored)
        done = -1 if ledger.committed is None else ledger.committed
        if not wait:  # else whoever waits would not hear of a refusal
            done = max(done, self._in_flight.get(partition.key, -1))
        return None if offset is None or offset <= done else offset

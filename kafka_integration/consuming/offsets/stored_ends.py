"""The ends of partitions, stored in the database too: what lies before an end and was not delivered is no lag."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import Future, wait
from functools import partial

from django.db import Error as DatabaseLayerError
from django.db import close_old_connections

from ...summaries import summarize
from ..lanes.pool import Pool, Server
from ..ledger import Ledger
from ..partition import Partition
from ..stream import State
from .store import OffsetStore

logger = logging.getLogger(__name__)

LEAVE_SECONDS = 1.0
"""The next owner finds the end by itself: more patience than this it is not worth."""


class Ends:
    """Has lanes store the ends that the loop has seen. The loop thread's own, but for what a lane runs.

    An end moves without a message: by control records, aborted transactions, compaction. Without a ``store`` the
    commit in Kafka is all there is, and there is nothing to do.
    """

    def __init__(self, *, consumer: str, store: OffsetStore | None, lanes: Pool) -> None:
        self._consumer = consumer
        self._store = store
        self._lanes = lanes
        self._under_way: dict[Partition, Future[None]] = {}
        self._is_failing = False

    @property
    def is_quiet(self) -> bool:
        """True when no lane has any left to store."""
        return all(stored.done() for stored in self._under_way.values())

    def store(self, partitions: Iterable[Partition]) -> None:
        """Have stored what is beyond the last stored message, once everything before it is finished."""
        self._under_way = {p: stored for p, stored in self._under_way.items() if not stored.done()}
        due: dict[Server, list[tuple[Partition, Ledger, int]]] = {}
        for partition in partitions:
            if (end := self._due(partition)) is not None:
                due.setdefault(self._lanes.of(partition), []).append((partition, partition.ledger, end))
        for lane, ends in due.items():
            stored = lane.call(partial(self._store_in_lane, ends))
            self._under_way.update((partition, stored) for partition, _, _ in ends)

    def store_before_leaving(self, partitions: Iterable[Partition]) -> None:
        """The same, waited for a moment: there is no next time."""
        self.store(partitions)
        wait(self._under_way.values(), LEAVE_SECONDS)

    def _due(self, partition: Partition) -> int | None:
        if self._store is None or partition.state is not State.ACTIVE or partition in self._under_way:
            return None
        end, stored = partition.ledger.next_offset, partition.stored
        is_behind = end is not None and stored is not None and stored < end
        return end if is_behind and partition.ledger.is_idle else None

    def _store_in_lane(self, ends: list[tuple[Partition, Ledger, int]]) -> None:
        assert self._store is not None
        # Not of an earlier assignment or position, nor of what a handler has moved on from meanwhile.
        present = [
            (p, end) for p, ledger, end in ends if p.ledger is ledger and p.stored is not None and p.stored < end
        ]
        try:
            close_old_connections()
            self._store.store_ends(present)
            self._is_failing = False
        except DatabaseLayerError as error:
            close_old_connections()
            # They are due again at the next interval: one line for an outage.
            if not self._is_failing:
                self._is_failing = True
                logger.warning(
                    "consumer %s: ends of partitions can't be stored now, and count as lag meanwhile: %s",
                    self._consumer, summarize(error),
                )  # fmt: skip

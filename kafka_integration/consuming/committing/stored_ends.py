"""Where partitions end, or are finished up to, stored in the database too: what lies before it is no lag."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, wait
from functools import partial
from time import monotonic

from django.db import Error as DatabaseLayerError
from django.db import close_old_connections

from ...observing.log_fields import LogFields
from ...summaries import summarize
from ..lanes.pool import Pool, Server
from ..ordering.stream import State
from ..partition import Partition
from .finished import FinishedOffsets, Floor
from .store import OffsetStore

logger = logging.getLogger(__name__)

LEAVE_SECONDS = 1.0
"""The next owner finds the end by itself: more patience than this it is not worth."""
MOVE_SECONDS = 0.5
"""How old a floor in the database may be: a claim reads what was finished beyond it since."""


class Ends:
    """Has lanes store the ends that the loop has seen. The loop thread's own, but for what a lane runs.

    An end moves without a message: by control records, aborted transactions, compaction. Where messages are finished
    side by side (``finished``), none of them moves the offset, and the lowest unfinished one is stored likewise.
    Without a ``store`` the commit in Kafka is all there is, and there is nothing to do.
    """

    def __init__(
        self, *, consumer: str, store: OffsetStore | None, lanes: Pool, finished: FinishedOffsets | None = None
    ) -> None:
        self._consumer = consumer
        self._store = store
        self._finished = finished
        self._lanes = lanes
        self._move_at = 0.0
        self._under_way: dict[Partition, Future[None]] = {}
        self._lost: deque[Partition] = deque()
        self._is_failing = False

    @property
    def is_quiet(self) -> bool:
        """True when no lane has any left to store."""
        return all(stored.done() for stored in self._under_way.values())

    def keep_up(self, partitions: Iterable[Partition]) -> None:
        """Have moved, where it is time for it, the offsets that no message moves; call it every turn."""
        if self._finished is not None and monotonic() >= self._move_at:
            self.store(partitions)

    def take_lost(self) -> list[Partition]:
        """Partitions of which the database turned out to lack what was committed to it, each once."""
        return [self._lost.popleft() for _ in range(len(self._lost))]

    def store(self, partitions: Iterable[Partition]) -> None:
        """Have stored what is beyond the last stored message, once everything before it is finished."""
        self._move_at = monotonic() + MOVE_SECONDS
        self._under_way = {p: stored for p, stored in self._under_way.items() if not stored.done()}
        due: dict[Server, list[Floor]] = {}
        for partition in partitions:
            if (floor := self._due(partition)) is not None:
                due.setdefault(self._lanes.of(partition), []).append(floor)
        for lane, floors in due.items():
            stored = lane.call(partial(self._store_in_lane, floors))
            self._under_way.update((floor.partition, stored) for floor in floors)

    def store_before_leaving(self, partitions: Iterable[Partition]) -> None:
        """The same, waited for a moment: there is no next time."""
        # What is under way may be of a while ago.
        wait(self._under_way.values(), LEAVE_SECONDS)
        self.store(partitions)
        wait(self._under_way.values(), LEAVE_SECONDS)

    def _due(self, partition: Partition) -> Floor | None:
        # Only while it is active its ledger is of its claim.
        if self._store is None or partition.state is not State.ACTIVE or partition in self._under_way:
            return None
        ledger, stored = partition.ledger, partition.stored
        end = ledger.next_offset
        if end is None or stored is None or end <= stored or (self._finished is None and not ledger.is_idle):
            return None
        return Floor(
            partition=partition, ledger=ledger, claim=partition.claim, stored=stored, offset=end, saved=partition.saved
        )

    def _store_in_lane(self, floors: list[Floor]) -> None:
        try:
            close_old_connections()
            self._store_present([floor for floor in floors if floor.is_present])
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

    def _store_present(self, floors: list[Floor]) -> None:
        """Not those of an earlier assignment or position, nor what a handler has moved on from meanwhile."""
        assert self._store is not None
        if self._finished is None:
            self._store.store_ends(
                [(floor.partition, floor.offset) for floor in floors if (floor.partition.stored or 0) < floor.offset]
            )
            return
        lost = self._finished.move(floors)
        self._lost.extend(lost)
        for partition in lost:
            logger.error(
                "consumer %s: the database lost transactions that it had committed: it lacks messages of %s that were "
                "finished, which are handled again",
                self._consumer, partition,
                extra=LogFields(self._consumer, self._store.group).of(partition.key, partition.stored),
            )  # fmt: skip

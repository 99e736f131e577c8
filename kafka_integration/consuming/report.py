"""What an operator reads: caught up, rate and lag every so often; nothing per message."""

from __future__ import annotations

import logging
from time import monotonic

from ..client.consumer import ConsumerClient
from .assignment import Assignment
from .counts import Counts, Tally

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 30.0


class Report:
    """The consumer's log of its progress; the loop thread's own."""

    def __init__(self, *, consumer: str, counts: Counts, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._consumer = consumer
        self._counts = counts
        self._interval_seconds = interval_seconds
        self._last_at = monotonic()
        self._last = Tally()
        self._is_caught_up = False

    def note(self, client: ConsumerClient, assignment: Assignment) -> None:
        """Log what changed; call it every turn."""
        self._note_end(assignment)
        now = monotonic()
        if now - self._last_at < self._interval_seconds:
            return
        tally = self._counts.read()
        if tally != self._last:
            lag = lag_of(client, assignment)
            rate = (tally.handled - self._last.handled) / (now - self._last_at)
            logger.info(
                "consumer %s: %d handled (%.1f/s), lag %d, %d failed, %d skipped, %d dead letters",
                self._consumer, tally.handled, rate, lag, tally.failed, tally.skipped, tally.parked,
            )  # fmt: skip
        self._last_at, self._last = now, tally

    def summary(self) -> None:
        tally = self._counts.read()
        logger.info(
            "consumer %s: stopped; %d handled, %d skipped, %d dead letters",
            self._consumer, tally.handled, tally.skipped, tally.parked,
        )  # fmt: skip

    def _note_end(self, assignment: Assignment) -> None:
        is_caught_up = len(assignment) > 0 and all(p.has_reached_end and p.ledger.is_idle for p in assignment)
        if is_caught_up and not self._is_caught_up:
            logger.info("consumer %s: caught up, %d handled so far", self._consumer, self._counts.read().handled)
            self._is_caught_up = True
        elif self._is_caught_up and assignment.is_starting:
            self._is_caught_up = False


def lag_of(client: ConsumerClient, assignment: Assignment) -> int:
    """How many offsets lie between what is finished and the ends as last fetched."""
    lag = 0
    for partition in assignment:
        end, position = client.known_end(partition.key), partition.ledger.next_offset
        if end is not None and position is not None:
            lag += max(0, end - position)
    return lag

"""What an operator reads: caught up, rate and lag every so often, what is stuck; nothing per message."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import fields
from time import monotonic

from ...client.consumer import ConsumerClient
from ...conf.consumers import ConsumerSettings
from ...observing.counts import Counts, Tally
from ...observing.log_fields import LogFields
from ...retrying import Repeats
from ..partition import Partition
from .assignment import Assignment
from .lags import Lags

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 30.0
STUCK_SECONDS = 60.0
LATE_SECONDS = 10.0
WORDS = {
    "failed": ("failed attempt", "failed attempts"),
    "parked": ("dead letter", "dead letters"),
    "skipped": ("skipped", "skipped"),
    "repeated": ("repeat left out", "repeats left out"),
    "failed_hooks": ("failed on_commit hook", "failed on_commit hooks"),
}
"""Of one, and of more."""


class Report:
    """The consumer's log of its progress; the loop thread's own."""

    def __init__(self, settings: ConsumerSettings, *, counts: Counts) -> None:
        self._consumer = settings.name
        self._fields = LogFields(settings.name, settings.consumer_group)
        self._counts = counts
        self._lags = Lags(settings.name, settings.connection)
        self._is_due = False
        self._repeats = Repeats()
        self._started_at = self._last_at = monotonic()
        self._last = Tally()
        self._was_behind = True
        """Behind for all of an interval, or since the last assignment: to catch up is news then."""
        self._caught_up_lately = False

    def note(self, client: ConsumerClient, assignment: Assignment) -> None:
        """Log what changed; call it every turn."""
        self._note_end(assignment)
        self._note_late(client, assignment)
        if not self._is_due and monotonic() - self._last_at >= INTERVAL_SECONDS:
            self._is_due = True
            self._lags.ask(assignment)
        if self._is_due and not self._lags.is_asking:
            self._is_due = False
            self._say_progress(client, assignment)

    def _say_progress(self, client: ConsumerClient, assignment: Assignment) -> None:
        seconds = monotonic() - self._last_at
        tally, lag = self._counts.read(), self._lags.read(assignment)
        # In an outage nothing is known of anything, and that has been said.
        if tally != self._last or (lag and client.log.trouble is None):
            logger.info(
                "consumer %s: %s handled in %.0f s (%s/s)%s%s",
                self._consumer, f"{tally.handled - self._last.handled:,}", seconds,
                _rate((tally.handled - self._last.handled) / seconds),
                "".join(f", {word}" for word in _others(tally, self._last)),
                f", {lag}" if len(assignment) else ", no partitions at the moment", extra=self._fields.of(),
            )  # fmt: skip
        self._note_stuck(assignment)
        self._note_held_up(client, assignment)
        self._note_waiting(client, assignment)
        self._was_behind |= not self._caught_up_lately
        self._caught_up_lately = False
        self._last_at, self._last = monotonic(), tally

    def draining(self, assignment: Assignment) -> None:
        """Say what a stop has to wait for."""
        if busy := [partition for partition in assignment if partition.line.is_busy]:
            logger.info("consumer %s: stopping, %s in the handler's hands", self._consumer, _places(busy))

    def summary(self) -> None:
        tally = self._counts.read()
        logger.info(
            "consumer %s: stopped after %.0f s; %s handled%s",
            self._consumer, monotonic() - self._started_at, f"{tally.handled:,}",
            "".join(f", {word}" for word in _others(tally, Tally())),
        )  # fmt: skip

    def _note_end(self, assignment: Assignment) -> None:
        is_caught_up = len(assignment) > 0 and all(p.ledger.has_reached_end and p.ledger.is_idle for p in assignment)
        if is_caught_up and self._was_behind:
            logger.info("consumer %s: caught up, %s handled so far", self._consumer, f"{self._counts.read().handled:,}")
            self._was_behind = False
        elif assignment.is_starting:
            self._was_behind = True
        self._caught_up_lately |= is_caught_up

    def _note_stuck(self, assignment: Assignment) -> None:
        now = monotonic()
        stuck = [p for p in assignment if p.line.is_busy and now - p.line.busy_since >= STUCK_SECONDS]
        if stuck:
            logger.warning(
                "consumer %s: for %.0f s and longer in the handler's hands: %s",
                self._consumer, min(now - p.line.busy_since for p in stuck), _places(stuck), extra=self._fields.of(),
            )  # fmt: skip

    def _note_late(self, client: ConsumerClient, assignment: Assignment) -> None:
        """What can't begin has no lag that anybody could see."""
        now = monotonic()
        late = [p for p in assignment if not p.start.is_placed and now - p.start.since >= LATE_SECONDS]
        if not late or client.log.trouble is not None or not self._repeats.is_due():
            return
        reasons = {p.start.obstacle.reason for p in late if p.start.obstacle is not None}
        logger.warning(
            "consumer %s: for %.0f s and longer can't begin, so that their lag is unknown: %s%s",
            self._consumer, min(now - p.start.since for p in late), ", ".join(map(str, late)),
            f"; {'; '.join(sorted(reasons))}" if reasons else "", extra=self._fields.of(),
        )  # fmt: skip

    def _note_held_up(self, client: ConsumerClient, assignment: Assignment) -> None:
        for partition in assignment:
            held = client.log.stable_ends.get(partition.key)
            seconds = 0.0 if held is None else monotonic() - held.since
            # What is paused isn't looked at, and what is at work has something to read.
            has_read_all = partition.ledger.has_reached_end and partition.ledger.is_idle and not partition.is_paused
            if held is not None and has_read_all and seconds >= STUCK_SECONDS:
                logger.warning(
                    "consumer %s: %s can't be read beyond offset %d, its end is %d: a producer's transaction has been "
                    "open there for %.0f s; what is behind it comes once that is ended, by its producer, its "
                    "transaction.timeout.ms or kafka-transactions.sh abort",
                    self._consumer, partition, held.offset, held.end, seconds,
                    extra=self._fields.of(partition.key, held.offset),
                )  # fmt: skip

    def _note_waiting(self, client: ConsumerClient, assignment: Assignment) -> None:
        since = assignment.untold_since
        if since is not None and monotonic() - since >= INTERVAL_SECONDS and client.log.trouble is None:
            logger.warning(
                "consumer %s: its group has assigned nothing for %.0f s; it may wait for a member that died, as long "
                "as that one's session.timeout.ms",
                self._consumer, monotonic() - since,
            )  # fmt: skip


def _others(tally: Tally, before: Tally) -> Iterator[str]:
    """What else happened, if it did."""
    for field in fields(Tally):
        count = getattr(tally, field.name) - getattr(before, field.name)
        if count and field.name in WORDS:
            yield f"{count:,} {WORDS[field.name][count != 1]}"


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.1f}"


def _places(partitions: list[Partition]) -> str:
    """Which offset of each is the first that isn't finished."""
    return ", ".join(f"{p}@{p.ledger.finished}" for p in partitions)

"""Replaying many dead letters with care: so many a second, watching what becomes of them, and no further than helps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic

from django.db import DatabaseError, connections
from django.db.models import Max

from ..durations import spoken
from ..models import DeadLetter
from .operations import REPLAYABLE, Selection, request_replay
from .outcomes import Failure, failures_of
from .under_way import UnderWay

LOOK_SECONDS = 0.25
STALLED_SECONDS = 60.0
"""So long none was taken in hand: no consumer of the group is running, or it is paused."""
OUTAGE_SECONDS = 60.0
ENDING_SECONDS = 30.0
"""So long the results of those under way are waited for, once no more are begun."""
AHEAD_SECONDS = 10
MOST_AHEAD = 1000

State = DeadLetter.State


class Ended(StrEnum):
    """Why a replay of many is over."""

    DONE = "done"
    FAILURES = "failures"
    STALLED = "stalled"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast, and how far: None is as fast as they are handled, and whatever fails."""

    per_second: float | None = None
    stop_after_failures: int | None = None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What became of those that were asked for: some may be under way, and the rest of ``total`` never was."""

    total: int
    requested: int = 0
    handled: int = 0
    failed: int = 0
    discarded: int = 0
    """By a ``Skip`` of the handler, or by somebody else."""
    withdrawn: int = 0
    not_taken_up: int = 0
    """Of those under way: the others are in a handler's hands, or wait for what it needs."""

    @property
    def done(self) -> int:
        return self.handled + self.failed + self.discarded

    @property
    def under_way(self) -> int:
        return self.requested - self.done - self.withdrawn


def said_of(progress: Progress) -> str:
    """What it did, in words."""
    parts = [f"{progress.handled} handled", f"{progress.failed} failed again"]
    others = {
        "discarded": progress.discarded,
        "not begun": progress.withdrawn,
        "not taken up yet": progress.not_taken_up,
        "still under way": progress.under_way - progress.not_taken_up,
    }
    parts += [f"{count} {what}" for what, count in others.items() if count]
    return f"{progress.requested} of {progress.total} asked for: {', '.join(parts)}."


def problem_of(progress: Progress, ended: Ended) -> str | None:
    """What is left to be said where not all of them were handled."""
    if ended == Ended.STALLED:
        return (
            f"None was taken in hand for {spoken(STALLED_SECONDS)}: see that a consumer of their group is running "
            "(runconsumer), and that its partitions are assigned and not paused (kafkaprocesses list)."
        )
    if ended == Ended.FAILURES:
        return (
            f"Stopped because {progress.failed} failed again; {progress.total - progress.done} were left as they are."
        )
    if progress.failed:
        return f"{progress.failed} failed again."
    return None


class PacedReplay:
    """The replay of one selection of dead letters; ``run`` carries it out, ``turn`` is one look at it."""

    def __init__(
        self, selection: Selection, databases: Iterable[str], pace: Pace, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._pace = pace
        self._clock = clock
        self._parts = [_Part(selection, database) for database in databases]
        self._total = sum(part.total for part in self._parts)
        self._results: Counter[State] = Counter()
        self._handled_in_a_row = 0
        self._withdrawn = 0
        self._due = 1.0
        self._due_at = self._moved_at = clock()
        self.ended: Ended | None = None
        """Why no more are begun; None while they are."""

    def run(self, wait: Callable[[float], bool], show: Callable[[Progress], None]) -> Progress:
        """Replay until it is over, or ``wait`` says that somebody wants it to be; what became of them."""
        reached_at = self._clock()
        is_over = False
        while not is_over:
            try:
                is_over = not self.turn()
                reached_at = self._clock()
            except DatabaseError:
                # Whoever watches for hours meets a restart of the database.
                if self._clock() - reached_at > OUTAGE_SECONDS:
                    raise
                self._close_broken()
            show(self.progress)
            if not is_over and wait(LOOK_SECONDS):
                self._end(Ended.INTERRUPTED)
        return self.progress

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(
            total=self._total,
            requested=sum(part.requested for part in self._parts),
            handled=self._results[State.HANDLED],
            failed=self._results[State.PARKED],
            discarded=self._results[State.DISCARDED],
            withdrawn=self._withdrawn,
        )

    @property
    def failures(self) -> tuple[Failure, ...]:
        """How those failed that did."""
        return failures_of({part.database: part.under_way.failed for part in self._parts})

    def turn(self) -> bool:
        """Look what became of those under way, and ask for more; False once it is over."""
        self._collect()
        if self.ended is None:
            self._request()
        if self.ended is None and not self.progress.under_way and all(part.is_exhausted for part in self._parts):
            self.ended = Ended.DONE
        if self.ended is None and self._is_stalled():
            self._end(Ended.STALLED)
        if self.ended is not None:
            self._withdraw()
        is_late = self._clock() - self._moved_at > ENDING_SECONDS
        return self.ended is None or (self.progress.under_way > 0 and not is_late)

    def _collect(self) -> None:
        for part in self._parts:
            for result in part.under_way.collect():
                self._results[result] += 1
                self._handled_in_a_row = 0 if result == State.PARKED else self._handled_in_a_row + 1
                self._moved_at = self._clock()
        limit = self._pace.stop_after_failures
        if self.ended is None and limit is not None and self._results[State.PARKED] >= limit:
            self._end(Ended.FAILURES)

    def _request(self) -> None:
        room = self._room()
        if not self.progress.under_way:
            # Before that there was nothing to wait for.
            self._moved_at = self._clock()
        for part in self._parts:
            if room > 0:
                asked = part.request(room)
                room -= asked
                self._due -= asked

    def _room(self) -> int:
        """How many more may be asked for now."""
        progress, pace = self.progress, self._pace
        most_ahead = MOST_AHEAD
        if pace.per_second is not None:
            most_ahead = min(most_ahead, max(1, int(pace.per_second * AHEAD_SECONDS)))
        if pace.stop_after_failures is not None:
            # No more at a time than may fail, as long as they do; more and more while they go well.
            may_fail = pace.stop_after_failures - progress.failed
            most_ahead = min(most_ahead, may_fail + self._handled_in_a_row)
        room = most_ahead - progress.under_way
        if pace.per_second is not None:
            room = min(room, self._due_at_rate(pace.per_second))
        return room

    def _due_at_rate(self, per_second: float) -> int:
        """How many the rate has room for: what was left out while none were handled is not made up for in a burst."""
        now = self._clock()
        self._due = min(max(1.0, per_second), self._due + (now - self._due_at) * per_second)
        self._due_at = now
        return int(self._due)

    def _is_stalled(self) -> bool:
        if not self.progress.under_way or self._clock() - self._moved_at < STALLED_SECONDS:
            return False
        # One that waits for an outage is leased too.
        if any(part.under_way.has_leased() for part in self._parts):
            self._moved_at = self._clock()
            return False
        return True

    def _end(self, why: Ended) -> None:
        if self.ended is None:
            self.ended = why
            self._moved_at = self._clock()

    def _withdraw(self) -> None:
        self._withdrawn += sum(part.under_way.withdraw() for part in self._parts)

    def _close_broken(self) -> None:
        for part in self._parts:
            connections[part.database].close_if_unusable_or_obsolete()


class _Part:
    """Those of one database, the oldest first; of those that wait when it begins."""

    def __init__(self, selection: Selection, database: str) -> None:
        self.database = database
        self.requested = 0
        self.is_exhausted = False
        self.under_way = UnderWay(database)
        # Discarded ones come back only where they are named.
        self._states = REPLAYABLE if selection.ids is not None else (State.PARKED,)
        self._waiting = selection.of(database).filter(state__in=self._states)
        self.total = self._waiting.count()
        self._last: int = self._waiting.aggregate(last=Max("pk"))["last"] or 0
        self._reached = 0

    def request(self, count: int) -> int:
        """Ask for the next ones, at most so many; how many it were."""
        if self.is_exhausted:
            return 0
        following = self._waiting.filter(pk__gt=self._reached, pk__lte=self._last).order_by("pk")
        page = list(following.values_list("pk", flat=True)[:count])
        self.is_exhausted = len(page) < count
        if not page:
            return 0
        asked = request_replay(Selection(ids=page, states=self._states), self.database).changed_ids
        self._reached = page[-1]
        self.under_way.add(asked)
        self.requested += len(asked)
        return len(asked)

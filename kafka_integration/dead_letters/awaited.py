"""Replays that were asked for as ever, and are waited for by whoever asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from time import monotonic

from .outcomes import Failure, failures_of
from .paced_replay import LOOK_SECONDS, Progress, State
from .under_way import UnderWay


class AwaitedReplay:
    """What becomes of these ids, by database; nothing is taken back, however long it takes."""

    def __init__(self, ids: Mapping[str, Collection[int]], *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._parts = [UnderWay(database) for database in ids]
        for part in self._parts:
            part.add(ids[part.database])
        self._total = sum(map(len, self._parts))
        self._results: Counter[State] = Counter()

    def run(self, seconds: float, wait: Callable[[float], bool], show: Callable[[Progress], None]) -> Progress:
        """Watch until all are done, so many seconds are over, or ``wait`` says that somebody wants no more."""
        deadline = self._clock() + seconds
        is_over = False
        while not is_over:
            began_at = self._clock()
            self._collect()
            show(self.progress)
            now = self._clock()
            is_over = not self.progress.under_way or now >= deadline
            # Of many a look takes its time: the database has as much for others.
            is_over = is_over or wait(min(max(LOOK_SECONDS, now - began_at), deadline - now))
        waiting = sum(part.count_not_taken_up() for part in self._parts)
        return replace(self.progress, not_taken_up=min(waiting, self.progress.under_way))

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(
            total=self._total,
            requested=self._total,
            handled=self._results[State.HANDLED],
            failed=self._results[State.PARKED],
            discarded=self._results[State.DISCARDED],
        )

    @property
    def failures(self) -> tuple[Failure, ...]:
        """How those failed that did."""
        return failures_of({part.database: part.failed for part in self._parts})

    def _collect(self) -> None:
        for part in self._parts:
            self._results.update(part.collect())

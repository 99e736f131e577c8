"""How long calls of a handler take, without a look at the clock for each."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from math import inf
from time import monotonic

from .families import HANDLER_SECONDS, Sample

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Of the first bucket calls are counted in bulk: what calls them looks at the clock more seldom than so often."""

Look = tuple[int, float]
"""After how many calls it was how late."""


class HandlerTimes:
    """A histogram of one handler's calls; any thread may add."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0
        self._own = _OfThread()

    def note(self, looks: Sequence[Look], calls: int) -> None:
        """There were ``calls`` in a row until now; the first look is before them."""
        now = monotonic()
        first_at = looks[0][1]
        seconds = now - first_at
        self._own.add(seconds)
        with self._lock:
            self._seconds += seconds
            if seconds <= BOUNDS[0]:
                self._counts[0] += calls
            else:
                self._add(looks, (calls, now))

    @property
    def seconds(self) -> float:
        """What all calls have taken."""
        return self._seconds

    @property
    def seconds_of_this_thread(self) -> float:
        """What handlers have taken in the thread that asks."""
        return self._own.seconds

    def samples(self, consumer: str) -> Iterator[Sample]:
        with self._lock:
            counts, seconds = [*self._counts], self._seconds
        so_far = 0
        for bound, count in zip((*BOUNDS, inf), counts, strict=True):
            so_far += count
            labels = (("consumer", consumer), ("le", "+Inf" if bound == inf else str(bound)))
            yield Sample(HANDLER_SECONDS.name, "_bucket", labels, so_far)
        yield HANDLER_SECONDS.of(consumer, suffix="_count", value=so_far)
        yield HANDLER_SECONDS.of(consumer, suffix="_sum", value=seconds)

    def _add(self, looks: Sequence[Look], last: Look) -> None:
        before, before_at = looks[0]
        for calls, at in (*looks[1:], last):
            if count := calls - before:
                self._counts[bisect_left(BOUNDS, (at - before_at) / count)] += count
            before, before_at = calls, at


class _OfThread(threading.local):
    seconds = 0.0

    def add(self, seconds: float) -> None:
        self.seconds += seconds

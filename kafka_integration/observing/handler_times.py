"""How long calls of a handler take, without a look at the clock for each."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from math import inf
from time import monotonic

from .families import HANDLER_SECONDS, Sample

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

Slow = tuple[int, float]
"""So many calls in a row, most often one, took so many seconds together: longer than the first of the bounds."""


class HandlerSeconds:
    """How long one handler was at work; any thread may add."""

    def __init__(self) -> None:
        # Each thread has a part of its own: a lock would cost more than all else here, and this may be once a message.
        self._parts: list[_Part] = []
        self._own = _OfThread(self._parts)

    def note(self, began_at: float, calls: int, slow: Sequence[Slow], looked: int, looked_at: float) -> None:
        """There were so many calls in a row until now, or until ``looked_at`` if all of them were looked at."""
        self._own.part.seconds += (looked_at if looked == calls else monotonic()) - began_at

    @property
    def seconds(self) -> float:
        """What all calls have taken."""
        return sum(part.seconds for part in [*self._parts])

    @property
    def seconds_of_this_thread(self) -> float:
        """What handlers have taken in the thread that asks."""
        return self._own.part.seconds


class HandlerTimes(HandlerSeconds):
    """A histogram of these calls too."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._slow = [0] * (len(BOUNDS) + 1)
        """By bound; below 0 in the first, where those are left out that are counted in another."""

    def note(self, began_at: float, calls: int, slow: Sequence[Slow], looked: int, looked_at: float) -> None:
        """The same; what those after ``looked`` took isn't known yet.

        All others that aren't among the slow ones took less than the first of the bounds.
        """
        now = looked_at if looked == calls else monotonic()
        part = self._own.part
        part.seconds += now - began_at
        if now - looked_at > BOUNDS[0]:
            slow = [*slow, (calls - looked, now - looked_at)]
        if slow:
            self._note_slow(part, calls, slow)
        else:
            part.calls += calls

    def samples(self, consumer: str) -> Iterator[Sample]:
        with self._lock:
            counts = [*self._slow]
            counts[0] += sum(part.calls for part in [*self._parts])
        so_far = 0
        for bound, count in zip((*BOUNDS, inf), counts, strict=True):
            so_far += count
            labels = (("consumer", consumer), ("le", "+Inf" if bound == inf else str(bound)))
            yield Sample(HANDLER_SECONDS.name, "_bucket", labels, so_far)
        yield HANDLER_SECONDS.of(consumer, suffix="_count", value=so_far)
        yield HANDLER_SECONDS.of(consumer, suffix="_sum", value=self.seconds)

    def _note_slow(self, part: _Part, calls: int, slow: Sequence[Slow]) -> None:
        # All at once: to who reads, a number that gets smaller is one that began anew.
        with self._lock:
            part.calls += calls
            for count, taken in slow:
                self._slow[0] -= count
                self._slow[bisect_left(BOUNDS, taken / count)] += count


def note_nothing(began_at: float, calls: int, slow: Sequence[Slow], looked: int, looked_at: float) -> None:
    """Stands for ``HandlerTimes.note`` where nobody wants to know."""


class _Part:
    """What one thread adds."""

    __slots__ = ("calls", "seconds")

    def __init__(self) -> None:
        self.calls = 0
        self.seconds = 0.0


class _OfThread(threading.local):
    def __init__(self, parts: list[_Part]) -> None:
        self.part = _Part()
        parts.append(self.part)

"""What is tried again and again: how long to wait before the next time, and which of the times to say."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

REPEAT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """Waits that grow by ``factor``, from the first to the longest. Whoever waits counts its failures in a row."""

    first_seconds: float
    longest_seconds: float
    factor: float = 2.0
    jitter: Callable[[], float] = lambda: 1.0
    """From 0 to 1: a wait is between half and all of it, so that many don't return as one."""

    def seconds(self, failures: int) -> float:
        """How long to wait after so many failures."""
        try:
            whole = min(self.longest_seconds, self.first_seconds * self.factor ** (failures - 1))
        except OverflowError:
            whole = self.longest_seconds
        return whole * (0.5 + self.jitter() / 2)


class Repeats:
    """Which of many lines to log: one of each kind, again after a minute. Any thread may ask."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said_at: dict[str, float] = {}

    def is_due(self, kind: str = "") -> bool:
        """Whether to say it now: then it counts as said."""
        now = self._clock()
        # What is older goes: some texts hold an offset, and never come again.
        for each, at in list(self._said_at.items()):
            if now - at >= REPEAT_SECONDS:
                self._said_at.pop(each, None)
        if kind in self._said_at:
            return False
        # In place: another thread may say something else, or forget all, at the same moment.
        self._said_at[kind] = now
        return True

    def forget(self) -> None:
        """All of it is news again."""
        self._said_at.clear()


def is_worth_a_line(times: int) -> bool:
    """The first time, the second, the fourth, the eighth: an outage of hours is no line for each try."""
    return times.bit_count() == 1

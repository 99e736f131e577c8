"""How the lag of a partition went within the last minute."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")

MINUTE_SECONDS = 60.0
LATELY_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Trend:
    """What is left to do, at several looks."""

    before: int
    """A minute ago, or as long ago as is known."""
    lately: tuple[int, ...]
    """15 seconds ago, and at each look since: the last one is now."""
    done: int
    """How many were finished meanwhile."""
    was_growing: bool = False
    """Whether it grew at the look before."""

    @property
    def is_growing(self) -> bool:
        """Whether it has been more than before for all that time, and gets more still."""
        if self.before >= min(self.lately):
            return False
        if self.was_growing:
            # It goes up and down, as messages come and as a handler serves other partitions too: one look below
            # another is no end of it.
            return max(self.lately[1:]) > self.lately[0]
        return self.lately[0] < self.lately[-1] >= self.lately[-2]


class Trail:
    """Looks at one partition, those of the last minute."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int, int]] = deque()
        self._was_growing = False

    def note(self, now: float, *, left: int, done: int) -> Trend | None:
        """One more look; None where there was none long enough ago."""
        looks = self._looks
        looks.append((now, left, done))
        while len(looks) > 1 and now - looks[1][0] >= MINUTE_SECONDS:
            looks.popleft()
        old = [look for look in looks if now - look[0] >= LATELY_SECONDS]
        if not old:
            return None
        lately = [old[-1], *(look for look in looks if now - look[0] < LATELY_SECONDS)]
        trend = Trend(
            before=looks[0][1],
            lately=tuple(left for _at, left, _done in lately),
            # An operator may have moved it back.
            done=max(0, done - lately[0][2]),
            was_growing=self._was_growing,
        )
        self._was_growing = trend.is_growing
        return trend

    def forget(self) -> None:
        """What was before says nothing of what comes."""
        self._looks.clear()
        self._was_growing = False


class Window(Generic[Value]):
    """Values of the last minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Value]] = deque()

    def note(self, now: float, value: Value) -> tuple[float, Value] | None:
        """Take one more; when the oldest was, and what: None where there is no other."""
        seen = self._seen
        seen.append((now, value))
        while now - seen[0][0] > MINUTE_SECONDS:
            seen.popleft()
        return seen[0] if len(seen) > 1 else None

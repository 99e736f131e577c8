"""When a loop last turned, and what its time goes to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from typing import Protocol

from .time_spent import Phase, TimeSpent


class Handling(Protocol):
    """Who runs handlers."""

    @property
    def is_idle(self) -> bool: ...


class Pulse:
    """The own of one loop, of a consumer or a relay; anybody may read it."""

    def __init__(self, time_spent: TimeSpent | None = None) -> None:
        self._time_spent = time_spent
        self.beat_at = monotonic()
        """When the loop last showed that it lives."""

    def beat(self) -> None:
        self.beat_at = monotonic()

    def fetched(self, raws: Sequence[object], lanes: Handling, *, had_read_all: bool) -> None:
        """The time since the last beat went to a fetch, or to waiting: for handlers, or for messages.

        Where everything had been read, nothing was there to be fetched.
        """
        if self._time_spent is not None:
            phase: Phase = "fetch" if raws and not had_read_all else "idle" if lanes.is_idle else "wait"
            self._time_spent.spend(phase, monotonic() - self.beat_at)

    def committing(self) -> AbstractContextManager[None]:
        return nullcontext() if self._time_spent is None else self._time_spent.spending("commit")

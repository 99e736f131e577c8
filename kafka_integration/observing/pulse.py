"""When a loop last turned, and what its time goes to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from typing import Protocol

from .measures import Measures, Phase


class Handling(Protocol):
    """Who runs handlers."""

    @property
    def is_idle(self) -> bool: ...


class Pulse:
    """The own of one loop, of a consumer or a relay; anybody may read it."""

    def __init__(self, measures: Measures | None = None) -> None:
        self._measures = measures
        self.beat_at = monotonic()
        """When the loop last showed that it lives."""

    def beat(self) -> None:
        self.beat_at = monotonic()

    def fetched(self, raws: Sequence[object], lanes: Handling) -> None:
        """The time since the last beat went to a fetch; without messages to waiting, for handlers or for messages."""
        if self._measures is not None:
            phase: Phase = "fetch" if raws else "idle" if lanes.is_idle else "wait"
            self._measures.spend(phase, monotonic() - self.beat_at)

    def committing(self) -> AbstractContextManager[None]:
        return nullcontext() if self._measures is None else self._measures.spending("commit")

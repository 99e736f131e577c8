"""Where the time of one consumer goes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Literal, get_args

from .handler_times import HandlerSeconds

Phase = Literal["handle", "database", "commit", "fetch", "wait", "idle"]
PHASES: tuple[Phase, ...] = get_args(Phase)
OF_HANDLERS: tuple[Phase, ...] = ("handle", "database")
"""What its lanes or coroutines do, several at a time."""
OF_THE_LOOP: tuple[Phase, ...] = ("commit", "fetch", "wait", "idle")
"""What its loop does meanwhile, which waits for them or for messages."""


class TimeSpent:
    """Adds up, for as long as the process runs; any thread may add and read."""

    def __init__(self, handler_times: HandlerSeconds | None = None) -> None:
        self.handler_times = handler_times or HandlerSeconds()
        self._lock = threading.Lock()
        self._seconds: dict[Phase, float] = dict.fromkeys(PHASES, 0.0)

    def spend(self, phase: Phase, seconds: float) -> None:
        with self._lock:
            self._seconds[phase] += seconds

    @contextmanager
    def spending(self, phase: Phase) -> Iterator[None]:
        began_at = monotonic()
        try:
            yield
        finally:
            self.spend(phase, monotonic() - began_at)

    def read(self) -> dict[Phase, float]:
        """Seconds since it began."""
        with self._lock:
            return {**self._seconds, "handle": self.handler_times.seconds}

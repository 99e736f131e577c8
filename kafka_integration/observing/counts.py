"""What a consumer or a relay has done so far, for its log and for tests."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

from ..outcomes import Skip
from .facts import AttemptFailed, Fact, Handled, HookFailed, LeftOut, Parked, Relayed, Replayed, Skipped


@dataclass(frozen=True, slots=True)
class Tally:
    """Numbers of messages; ``failed`` counts attempts, ``failed_hooks`` on_commit hooks, ``relayed`` a relay's rows."""

    handled: int = 0
    failed: int = 0
    parked: int = 0
    skipped: int = 0
    repeated: int = 0
    failed_hooks: int = 0
    relayed: int = 0


class Counts:
    """A tally of facts; any thread may read it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handled: Counter[str] = Counter()
        """By topic."""
        self._numbers: Counter[str] = Counter()

    def read(self) -> Tally:
        with self._lock:
            return Tally(handled=sum(self._handled.values()), **self._numbers)

    def read_handled(self) -> dict[str, int]:
        """How many messages of each topic were handled."""
        with self._lock:
            return dict(self._handled)

    def __call__(self, fact: Fact) -> None:
        if isinstance(fact, Handled):
            # Where messages are handled by key it is told of nearly each of them, and a pattern takes longer.
            with self._lock:
                self._handled[fact.topic] += fact.count
            return
        match fact:
            case Skipped() | Replayed(error=Skip()):
                self._add("skipped")
            case AttemptFailed():
                self._add("failed")
            case Parked():
                self._add("parked")
            case LeftOut():
                self._add("repeated")
            case HookFailed():
                self._add("failed_hooks")
            case Relayed(count):
                self._add("relayed", count)

    def _add(self, name: str, count: int = 1) -> None:
        with self._lock:
            self._numbers[name] += count

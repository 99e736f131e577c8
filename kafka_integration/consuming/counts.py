"""What a consumer has done so far, for its log and for tests."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Tally:
    """Numbers of messages; ``failed`` counts attempts, ``failed_hooks`` on_commit hooks."""

    handled: int = 0
    failed: int = 0
    parked: int = 0
    skipped: int = 0
    repeated: int = 0
    failed_hooks: int = 0


class Counts:
    """A tally that lanes add to, once a chunk; any thread may read it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tally = Tally()

    def add(self, **numbers: int) -> None:
        """Count so many more, each under the name that ``Tally`` has for it."""
        with self._lock:
            now = self._tally
            self._tally = replace(now, **{name: getattr(now, name) + number for name, number in numbers.items()})

    def read(self) -> Tally:
        return self._tally

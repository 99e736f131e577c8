"""What a consumer has done so far, for its log and for tests."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Tally:
    """Numbers of messages."""

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

    def add(
        self,
        *,
        handled: int = 0,
        failed: int = 0,
        parked: int = 0,
        skipped: int = 0,
        repeated: int = 0,
        failed_hooks: int = 0,
    ) -> None:
        with self._lock:
            now = self._tally
            self._tally = replace(
                now,
                handled=now.handled + handled,
                failed=now.failed + failed,
                parked=now.parked + parked,
                skipped=now.skipped + skipped,
                repeated=now.repeated + repeated,
                failed_hooks=now.failed_hooks + failed_hooks,
            )

    def read(self) -> Tally:
        return self._tally

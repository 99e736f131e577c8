"""What is shown while the benchmark runs: how far it is, and what was measured last."""

from __future__ import annotations

import sys
from time import monotonic

from .catalogue import Contender, Row
from .figures import Told


class Progress:
    """Counts the runs of all contenders; a line each."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._began = monotonic()

    def note(self, row: Row, contender: Contender, told: Told) -> None:
        self._done += 1
        seconds = monotonic() - self._began
        left = max(0.0, seconds / self._done * (self._total - self._done))
        figure = f"{row.figure.text(told[row.figure.key])} {row.figure.heading}"
        print(
            f"[{self._done}/{self._total} {_clock(seconds)}, about {_clock(left)} left] "
            f"{row.name}: {contender.name}: {figure}",
            flush=True,
        )

    def complain(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    return f"{seconds // 60:.0f}:{seconds % 60:02.0f}"

"""A bar that says how far a command is."""

from __future__ import annotations

import os
import stat
import time
from typing import Any

WIDTH = 30
INTERVAL_SECONDS = 0.1
CLEAR_LINE = "\r\x1b[K"


class ProgressBar:
    """Of ``total`` bytes or what else is counted; a text alone where that isn't known, nothing where nobody looks."""

    def __init__(self, stream: Any, total: int | None, *, is_shown: bool) -> None:
        self._stream = stream
        self._total = total
        self._is_shown = is_shown
        self._next_at = 0.0

    def show(self, done: int, text: str) -> None:
        """Draws the bar anew, ten times a second at most."""
        if not self._is_shown or time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + INTERVAL_SECONDS
        self._write(f"{CLEAR_LINE}{self._bar(done)}{text}")

    def clear(self) -> None:
        """Leaves an empty line to what comes next."""
        if self._is_shown:
            self._write(CLEAR_LINE)

    def _bar(self, done: int) -> str:
        if not self._total:
            return ""
        # A file may grow while it is read.
        share = min(1.0, done / self._total)
        filled = int(share * WIDTH)
        return f"[{'#' * filled}{'-' * (WIDTH - filled)}] {share:4.0%}  "

    def _write(self, text: str) -> None:
        self._stream.write(text, style_func=str, ending="")
        self._stream.flush()


def size_of(file: Any) -> int | None:
    """How many bytes a file has; None for a pipe or a terminal, of which nobody knows."""
    try:
        status = os.fstat(file.fileno())
    except (OSError, AttributeError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None

"""What a command does when the reader of its output has seen enough."""

from __future__ import annotations

import os
import sys
from typing import Any

from .usage import ExplainedCommand


class ShowingCommand(ExplainedCommand):
    """A command of which people and programs read what it shows, and may stop reading: that is no error of it."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except BrokenPipeError:
            leave_pipe()
            return None
        finally:
            self._write_all()

    def _write_all(self) -> None:
        """What is short is written only here; left to Python, it would be written at its exit."""
        try:
            self.stdout.flush()
        except BrokenPipeError:
            leave_pipe()


def leave_pipe() -> None:
    """Write into nothing from here on; without this, Python complains at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

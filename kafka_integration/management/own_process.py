"""Commands that run for long, and whether the process is theirs."""

from __future__ import annotations

import faulthandler
from contextlib import suppress

from django.core.management.base import BaseCommand


class LastingCommand(BaseCommand):
    """One that may tune its process where it has one to itself."""

    has_own_process = False
    """Whether it was started by ``manage.py`` or ``python -m``; ``call_command`` runs it in a process of others."""

    def run_from_argv(self, argv: list[str]) -> None:
        self.has_own_process = True
        _tell_of_crashes()
        super().run_from_argv(argv)


def _tell_of_crashes() -> None:
    """Have a crash of C code, as the client and drivers of databases are, say where each thread was."""
    # There may be no stderr, or none that is a file.
    with suppress(RuntimeError, ValueError, OSError):
        if not faulthandler.is_enabled():
            faulthandler.enable()

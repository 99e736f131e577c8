"""Commands that run for long, and whether the process is theirs."""

from __future__ import annotations

from django.core.management.base import BaseCommand


class LastingCommand(BaseCommand):
    """One that may tune its process where it has one to itself."""

    has_own_process = False
    """Whether it was started by ``manage.py`` or ``python -m``; ``call_command`` runs it in a process of others."""

    def run_from_argv(self, argv: list[str]) -> None:
        self.has_own_process = True
        super().run_from_argv(argv)

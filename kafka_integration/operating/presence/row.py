"""This process's row in the table of processes, and the rows that nobody writes any more."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic
from typing import Any

from django.db import router
from django.db.models.functions import Now

from ... import __version__
from ...conf.producers import OperationsSettings
from ...errors import CommandRefusedError
from ...models import Process, ProcessCommand

LOST_SECONDS = 30.0
BEATS_UNTIL_LOST = 3
"""Where a process writes more seldom than every 10 seconds."""
FORGET_LOST = timedelta(days=1)


class Row:
    """The row is there from the first ``write`` until ``remove``; it comes again where somebody deleted it."""

    def __init__(self, kind: str) -> None:
        self.alias = database_of_processes()
        self.id: int | None = None
        self._kind = kind
        self._born_at = monotonic()

    def write(self, *, state: str, consumers: Sequence[dict[str, Any]], memory_bytes: int | None) -> None:
        """Say how the process is, by the database's clock."""
        said = {"state": state, "consumers": list(consumers), "memory_bytes": memory_bytes}
        rows = Process.objects.using(self.alias)
        if self.id is None or not rows.filter(pk=self.id).update(seen_at=Now(), **said):
            self._make(said)

    def remove(self) -> None:
        """Nobody needs to be told of a process that ended as it should."""
        if self.id is not None:
            Process.objects.using(self.alias).filter(pk=self.id).delete()
            self.id = None

    def _make(self, said: dict[str, Any]) -> None:
        host, pid = socket.gethostname(), os.getpid()
        rows = Process.objects.using(self.alias)
        # Who had this number before was killed. Not who is still there: another container may have the same name.
        rows.filter(host=host, pid=pid, seen_at__lt=Now() - timedelta(seconds=LOST_SECONDS)).delete()
        age = timedelta(seconds=monotonic() - self._born_at)
        made = rows.create(kind=self._kind, host=host, pid=pid, started_at=Now() - age, version=__version__, **said)
        self.id = made.pk


def database_of_processes() -> str:
    """The alias of the database in which processes write down how they are: the routers' choice."""
    return router.db_for_write(Process)


def seconds_until_lost(settings: OperationsSettings) -> float:
    """After how long without a word a process counts as lost."""
    return max(LOST_SECONDS, BEATS_UNTIL_LOST * settings.interval_seconds)


def forget_lost(id: int, settings: OperationsSettings) -> Process:
    """Delete the row of a lost process; should it be heard of, it comes again.

    ``CommandRefusedError`` where there is none that is lost.
    """
    rows = Process.objects.using(database_of_processes())
    row = rows.filter(pk=id).first()
    silent_since = Now() - timedelta(seconds=seconds_until_lost(settings))
    if row is None or not rows.filter(pk=id, seen_at__lt=silent_since).delete()[0]:
        raise CommandRefusedError(f"there is no lost process {id}: it was forgotten before, or is heard of again")
    return row


def forget_old_rows(alias: str, settings: OperationsSettings) -> None:
    """Delete processes that were lost a day ago, and commands that are older than ``command_days``."""
    Process.objects.using(alias).filter(seen_at__lt=Now() - FORGET_LOST).delete()
    limit = Now() - timedelta(days=settings.command_days)
    ProcessCommand.objects.using(alias).filter(requested_at__lt=limit).delete()

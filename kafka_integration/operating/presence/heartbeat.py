"""A process says how it is, in a thread of its own: whatever becomes of the database, nothing else waits for it."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Protocol

from django.db import Error as DatabaseLayerError
from django.db import connections, reset_queries

from ...conf.producers import OperationsSettings
from ...models import Process
from ...summaries import summarize
from ...tables import has_table
from .answering import Answering, Doer
from .memory import memory_bytes
from .row import Row, forget_old_rows
from .views import ConsumerView

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often it is looked whether something was asked of the process."""
LAST_WORD_SECONDS = 1.0
FORGET_EVERY_SECONDS = 3600.0


class Subject(Protocol):
    """What a process says of itself."""

    @property
    def kind(self) -> str: ...

    @property
    def state(self) -> str: ...

    def look(self) -> Sequence[ConsumerView]: ...


class Presence:
    """Writes the process's row every few seconds from ``begin`` to ``end``, and does what the process is asked.

    Never raises, and is never waited for.

    With ``"rows": False`` it does nothing at all.
    """

    def __init__(self, subject: Subject, settings: OperationsSettings, doers: Mapping[str, Doer]) -> None:
        self._subject = subject
        self._doers = doers
        self._settings = settings
        self._over = threading.Event()
        self._is_away = False
        self._beat_at = 0.0
        # Many processes that start together need not delete together.
        self._forget_at = monotonic() + random.uniform(0.1, 1) * FORGET_EVERY_SECONDS
        # A daemon: with a database that doesn't answer it must not keep the process.
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def begin(self) -> None:
        """Be seen, from now on."""
        if self._settings.rows:
            self._thread.start()

    def end(self) -> None:
        """Be gone. A database that doesn't answer at once finds out by itself."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(0 if self._is_away else LAST_WORD_SECONDS)

    def _run(self) -> None:
        row = Row(self._subject.kind)
        answering = Answering(row.alias, self._doers)
        try:
            while not self._over.is_set():
                self._try(row, self._beat_if_due)
                self._try(row, partial(self._answer, answering))
                self._over.wait(min(LOOK_SECONDS, self._settings.interval_seconds))
            if not self._is_away:
                self._try(row, lambda row: answering.answer_begun())
                self._try(row, Row.remove)
        finally:
            connections[row.alias].close()

    def _answer(self, answering: Answering, row: Row) -> None:
        # Where the database is away, the next beat finds out whether it is back.
        if row.id is not None and not self._is_away:
            answering.look(row.id)

    def _beat_if_due(self, row: Row) -> None:
        now = monotonic()
        if now < self._beat_at:
            return
        # Before it is tried: where the database is away, it is not asked every second.
        self._beat_at = now + self._settings.interval_seconds
        consumers = [view.as_dict() for view in self._subject.look()]
        row.write(state=self._subject.state, consumers=consumers, memory_bytes=memory_bytes())
        self._is_away = False
        if now >= self._forget_at:
            self._forget_at = now + FORGET_EVERY_SECONDS
            forget_old_rows(row.alias, self._settings)

    def _try(self, row: Row, step: Callable[[Row], None]) -> None:
        try:
            step(row)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no reason to disturb consumers or relays
            self._say(row.alias, error)
            connections[row.alias].close()
        # With DEBUG Django keeps every query of a connection, for a request that never ends here.
        reset_queries()

    def _say(self, alias: str, error: Exception) -> None:
        if self._is_away:
            return
        self._is_away = True
        if isinstance(error, DatabaseLayerError) and _lacks_table(alias):
            logger.warning(
                'database "%s" has no table of processes: what this one does is shown nowhere until manage.py migrate '
                "--database %s; all else goes on",
                alias, alias,
            )  # fmt: skip
        else:
            logger.warning(
                'how this process is can\'t be written to database "%s" now, so it may be shown as lost; all else goes '
                "on: %s",
                alias, summarize(error),
            )  # fmt: skip


def _lacks_table(alias: str) -> bool:
    try:
        return not has_table(alias, Process)
    except DatabaseLayerError:
        return False

"""Something to be said again and again while a handler runs, however long that takes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType

from django.db import Error as DatabaseLayerError
from django.db import connections

from ..summaries import summarize

logger = logging.getLogger(__name__)

LAST_BEAT_SECONDS = 1.0


class Heartbeat:
    """Calls ``beat`` every so many seconds until it is left, in a thread and on a connection of its own.

    The lane's thread can't: it is in the handler. A connection is opened for a beat and closed after it, so that short
    work never opens one. ``beat`` returns False when there is nothing left to say.
    """

    def __init__(self, beat: Callable[[], bool], *, seconds: float, database: str, what: str) -> None:
        self._beat = beat
        self._seconds = seconds
        self._database = database
        self._what = what
        self._over = threading.Event()
        # A daemon: with a database that doesn't answer it must not keep the process.
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(LAST_BEAT_SECONDS)

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            try:
                if not self._beat():
                    return
            except DatabaseLayerError as error:
                logger.warning("The lease of %s could not be renewed now: %s", self._what, summarize(error))
            finally:
                connections[self._database].close()

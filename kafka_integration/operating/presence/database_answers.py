"""Whether a database answers, asked in a thread that nobody waits for: a handler that waits for one isn't stuck."""

from __future__ import annotations

import threading
from time import monotonic

from django.db import Error as DatabaseLayerError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

AWAY_SECONDS = 3.0
"""One that hasn't answered for so long is away."""
LAST_ANSWER_SECONDS = 0.5


class DatabaseAnswers:
    """One question at a time, over a connection of its own. All but the asking is done by one thread at a time."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._thread: threading.Thread | None = None
        self._connection: BaseDatabaseWrapper | None = None
        """Kept while it is asked for: an answer comes at once then, however long it takes to connect."""
        self._asked_at = 0.0
        self._has_failed = False

    @property
    def is_asking(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_away(self) -> bool:
        """Whether it refused the last question that it answered, or leaves one open."""
        return self._has_failed or (self.is_asking and monotonic() - self._asked_at >= AWAY_SECONDS)

    def ask(self) -> None:
        """Ask it, unless a question is open."""
        if not self.is_asking:
            self._asked_at = monotonic()
            # A daemon: a database may take minutes to refuse, and the process ends before.
            self._thread = threading.Thread(target=self._ask, name=f"database-{self._alias}", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Nobody will ask any more. A question that stays open keeps its connection."""
        if self._thread is not None:
            self._thread.join(LAST_ANSWER_SECONDS)
        self.forget()

    def forget(self) -> None:
        """Nobody needs to know any more."""
        self._has_failed = False
        if not self.is_asking:
            self._disconnect()

    def _ask(self) -> None:
        try:
            if self._connection is None:
                self._connection = connections.create_connection(self._alias)
                # Each question has a thread of its own, one after another.
                self._connection.inc_thread_sharing()
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            self._has_failed = False
        except DatabaseLayerError:
            self._has_failed = True
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

"""PostgreSQL's LISTEN and NOTIFY, on request: the relay wakes when something commits, instead of at its next look.

It only saves time. A notification that is lost, behind a pooler or in a broken session, costs one poll interval.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from django.db import DatabaseError, InterfaceError, NotSupportedError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger("kafka_integration.relay")

CHANNEL = "kafka_integration_outbox"
PAUSE_SECONDS = 5.0


def notify_on_commit(alias: str) -> None:
    """Let the open transaction wake the relay when it commits; once, however often it is asked to."""
    connection = connections[alias]
    if connection.vendor != "postgresql" or never_commits(alias):
        return
    if connection.in_atomic_block and not commits_by_hand(alias):
        # Only a mark, and gone with a savepoint that is rolled back, as the NOTIFY then is.
        if any(entry[1] is _notified for entry in connection.run_on_commit):
            return
        transaction.on_commit(_notified, using=alias)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


def never_commits(alias: str) -> bool:
    """Whether the open transaction is that of a Django TestCase, which counts callbacks and queries, and rolls back."""
    return any(getattr(block, "_from_testcase", False) for block in connections[alias].atomic_blocks)


def commits_by_hand(alias: str) -> bool:
    """Whether autocommit is switched off: Django runs no hooks at such a commit, and keeps them for the ones after."""
    connection = connections[alias]
    return not (connection.commit_on_exit if connection.in_atomic_block else connection.get_autocommit())


def can_listen() -> bool:
    """Whether Django reaches PostgreSQL with psycopg 3, which can wait for notifications."""
    # Not above: a project on SQLite has neither driver.
    from django.db.backends.postgresql import psycopg_any

    return bool(psycopg_any.is_psycopg3)


class Listener:
    """A session of its own that listens. ``alias`` must lead to PostgreSQL itself: a pooler has no sessions to lend."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._connection: BaseDatabaseWrapper | None = None
        self._complained = False
        self._try_again_at = float("-inf")

    def wait(self, timeout: float) -> bool | None:
        """Whether a notification came; None, at once, if listening isn't possible now."""
        driver: Any = connections[self.alias]
        if time.monotonic() < self._try_again_at:
            return None
        try:
            heard = any(True for _ in self._session().notifies(timeout=timeout, stop_after=1))
        # The driver's own errors too: its generator of notifications doesn't pass through Django.
        except (DatabaseError, InterfaceError, driver.Database.Error) as error:
            self._complain(error)
            self.close()
            self._try_again_at = time.monotonic() + PAUSE_SECONDS
            return None
        self._complained = False
        return heard

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _session(self) -> Any:
        if self._connection is None:
            if not can_listen():
                raise NotSupportedError("it is reached with psycopg2: install psycopg 3.")
            self._connection = connections[self.alias].copy()
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                if cursor.fetchone()[0] != self._connection.connection.info.backend_pid:
                    # It would take LISTEN, and whoever gets that session next would hear what comes.
                    raise NotSupportedError(
                        "it leads to a pooler, which lends its sessions to others. Give an alias that leads to "
                        'PostgreSQL itself: KAFKA["outbox"]["direct_aliases"].'
                    )
                cursor.execute(f"LISTEN {CHANNEL}")
        return self._connection.connection

    def _complain(self, error: Exception) -> None:
        if not self._complained:
            logger.warning("Database %s can't be listened to, so it is only polled: %s", self.alias, error)
            self._complained = True


def _notified() -> None:
    """Marks a transaction that has its NOTIFY."""

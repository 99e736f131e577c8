"""“I published and nothing happened”: whoever publishes looks now and then whether a relay runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from django.db import DatabaseError, connections, transaction

from .backlog import warn_if_unattended
from .notify import commits_by_hand, never_commits

logger = logging.getLogger("kafka_integration.relay")

LOOK_SECONDS = 60.0


class UnattendedOutboxes:
    """Looks after a commit, in the thread that published, once a minute and database at most: two small queries."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._look_at: dict[str, float] = {}

    def note_published(self, alias: str) -> None:
        """A row was written."""
        if self._clock() >= self._look_at.get(alias, 0.0) and not _is_unwelcome(alias) and self._is_due(alias):
            transaction.on_commit(lambda: self._look(alias), using=alias, robust=True)

    def _is_due(self, alias: str) -> bool:
        with self._lock:
            now = self._clock()
            if now < self._look_at.get(alias, 0.0):
                return False
            self._look_at[alias] = now + LOOK_SECONDS
            return True

    def _look(self, alias: str) -> None:
        if connections[alias].in_atomic_block:
            return
        try:
            warn_if_unattended(alias)
        except DatabaseError as error:
            logger.debug("Whether a relay runs on database %s could not be seen: %s", alias, error)


def _is_unwelcome(alias: str) -> bool:
    """Whether nothing would run after the commit, or somebody counts queries (``assertNumQueries``)."""
    return never_commits(alias) or commits_by_hand(alias) or connections[alias].force_debug_cursor


# Of the process: whoever publishes next must know when the last one looked.
note_published = UnattendedOutboxes().note_published

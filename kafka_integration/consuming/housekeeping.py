"""What keeps a lane healthy around its work: dead database connections are dropped, old rows deleted."""

from __future__ import annotations

from django.db import close_old_connections, connections, reset_queries

from .lane import Remainder, Work
from .partition import Chunk, Partition
from .retention import Retention


class Housekeeping:
    """Wraps a lane's work as Django wraps a request."""

    def __init__(self, work: Work, retention: Retention | None = None) -> None:
        self._work = work
        self._retention = retention

    def handle(self, partition: Partition, chunk: Chunk) -> Remainder:
        close_old_connections()
        # With DEBUG Django keeps every query of a connection, for a request that never ends here.
        reset_queries()
        return self._work.handle(partition, chunk)

    def idle(self) -> None:
        close_old_connections()
        if self._retention is not None:
            self._retention.keep_if_due()
        self._work.idle()

    def close(self) -> None:
        self._work.close()
        connections.close_all()

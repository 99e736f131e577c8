"""What keeps a lane's thread healthy around its work: database connections that died are dropped."""

from __future__ import annotations

from django.db import close_old_connections, connections

from .lane import Remainder, Work
from .partition import Chunk, Partition


class Housekeeping:
    """Wraps a lane's work as Django wraps a request."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def handle(self, partition: Partition, chunk: Chunk) -> Remainder:
        close_old_connections()
        return self._work.handle(partition, chunk)

    def idle(self) -> None:
        close_old_connections()
        self._work.idle()

    def close(self) -> None:
        self._work.close()
        connections.close_all()

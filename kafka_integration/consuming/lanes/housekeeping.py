"""What a lane has around its work: fresh database connections, an event loop, old rows deleted."""

from __future__ import annotations

from time import monotonic

from django.db import close_old_connections, connections, reset_queries

from ...dead_letters.retention import Retention
from ..ordering.chunk import Chunk
from ..ordering.stream import Stream
from .event_loop import EventLoop
from .fresh_connections import FreshConnections
from .work import UNIT_SECONDS, Remainder, Work


class Housekeeping:
    """Wraps a lane's work as Django wraps a request: chunks that follow each other and go well are one such unit."""

    def __init__(self, work: Work, retention: Retention | None = None, event_loop: EventLoop | None = None) -> None:
        self._work = work
        self._retention = retention
        self._event_loop = event_loop
        self._unit_ends_at = 0.0
        self._connections = FreshConnections()

    def handle(self, stream: Stream, chunk: Chunk) -> Remainder:
        if (now := monotonic()) >= self._unit_ends_at:
            close_old_connections()
            # With DEBUG Django keeps every query of a connection, for a request that never ends here.
            reset_queries()
            self._unit_ends_at = now + UNIT_SECONDS
        self._connections.probe_if_due()
        if self._event_loop is not None:
            self._event_loop.adopt_thread()
        remainder = self._work.handle(stream, chunk)
        if remainder.chunks or remainder.reclaim:
            self._unit_ends_at = 0.0
        return remainder

    def idle(self) -> None:
        self._unit_ends_at = 0.0
        close_old_connections()
        if self._retention is not None:
            self._retention.keep_if_due()

    def close(self) -> None:
        if self._event_loop is not None:
            self._event_loop.close()
        connections.close_all()

"""What a lane has around its work: fresh database connections, an event loop, old rows deleted."""

from __future__ import annotations

from django.db import close_old_connections, connections, reset_queries

from ...dead_letters.retention import Retention
from ..line import Chunk
from ..stream import Stream
from .event_loop import EventLoop
from .fresh_connections import FreshConnections
from .work import Remainder, Work


class Housekeeping:
    """Wraps a lane's work as Django wraps a request."""

    def __init__(self, work: Work, retention: Retention | None = None, event_loop: EventLoop | None = None) -> None:
        self._work = work
        self._retention = retention
        self._event_loop = event_loop
        self._connections = FreshConnections()

    def handle(self, stream: Stream, chunk: Chunk) -> Remainder:
        close_old_connections()
        self._connections.probe_if_due()
        # With DEBUG Django keeps every query of a connection, for a request that never ends here.
        reset_queries()
        if self._event_loop is not None:
            self._event_loop.adopt_thread()
        return self._work.handle(stream, chunk)

    def idle(self) -> None:
        close_old_connections()
        if self._retention is not None:
            self._retention.keep_if_due()

    def close(self) -> None:
        if self._event_loop is not None:
            self._event_loop.close()
        connections.close_all()

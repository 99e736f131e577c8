"""Connections that died while nobody used them: a handler would be the first to notice, and run twice."""

from __future__ import annotations

from time import monotonic

from django.db import connections

IDLE_SECONDS = 1.0


class FreshConnections:
    """Probes the connections of one thread before a handler gets them; belongs to that thread."""

    def __init__(self) -> None:
        self._probed_at = monotonic()

    def probe_if_due(self) -> None:
        """So that none is older than ``IDLE_SECONDS`` since its last query or probe; at most one probe in that time."""
        now = monotonic()
        if now - self._probed_at >= IDLE_SECONDS:
            close_dead_connections()
            # Not from before: a probe itself may take long.
            self._probed_at = monotonic()


def close_dead_connections() -> None:
    """Close those of this thread at whose other end nobody is any more: the next query opens another one."""
    for connection in connections.all(initialized_only=True):
        # Where a transaction is open, even a project's own, it is not ours to ask in.
        is_free = connection.connection is not None and connection.autocommit and not connection.in_atomic_block
        if is_free and not connection.is_usable():
            connection.close()

"""Freeing what only the garbage collector can free: it counts objects, and large messages are few."""

from __future__ import annotations

import gc

DUE_BYTES = 16 * 1024 * 1024
_YOUNG = 1


class Garbage:
    """How much may lie around behind a lane; belongs to its thread.

    An exception that its own frames refer to, for one, keeps the message that they were about.
    """

    def __init__(self) -> None:
        self._bytes = 0

    def add(self, size: int) -> None:
        """So many bytes of messages are done with."""
        self._bytes += size

    def collect_if_due(self) -> None:
        if self._bytes >= DUE_BYTES:
            self.collect()

    def collect(self) -> None:
        self._bytes = 0
        # A project that turned it off has its reasons.
        if gc.isenabled():
            gc.collect(_YOUNG)

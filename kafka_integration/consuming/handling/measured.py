"""Work of which is measured what it spends beside its handler."""

from __future__ import annotations

from time import monotonic

from ...observing.time_spent import TimeSpent
from ..lanes.work import Remainder, Work
from ..ordering.chunk import Chunk
from ..ordering.stream import Stream


class MeasuredWork:
    """What a lane does in transactions of ours: all of it that isn't the handler's time is the database's."""

    def __init__(self, work: Work, time_spent: TimeSpent) -> None:
        self._work = work
        self._time_spent = time_spent

    def handle(self, stream: Stream, chunk: Chunk) -> Remainder:
        times = self._time_spent.handler_times
        began_at, of_handlers = monotonic(), times.seconds_of_this_thread
        try:
            return self._work.handle(stream, chunk)
        finally:
            of_handlers = times.seconds_of_this_thread - of_handlers
            self._time_spent.spend("database", max(0.0, monotonic() - began_at - of_handlers))

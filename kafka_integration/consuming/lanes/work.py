"""What a lane does with messages that are in order, and what that leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ..ordering.chunk import Chunk
from ..ordering.stream import Stream

UNIT_SECONDS = 10.0
"""For how long messages that follow each other are one unit of work to Django, as a request is. Each unit makes a
connection of its own where there is no ``CONN_MAX_AGE``."""


@dataclass(slots=True)
class Remainder:
    """What a turn of work leaves: chunks to go back to the head, after ``delay_seconds``."""

    chunks: list[Chunk] = field(default_factory=list)
    delay_seconds: float = 0.0
    is_outage: bool = False
    """What the messages need is away, and so it is for all others of the consumer."""
    reclaim: bool = False
    """The partition has to be claimed again before anything of it is handled."""


class Work(Protocol):
    """What becomes of messages; it runs in a lane's thread."""

    def handle(self, stream: Stream, chunk: Chunk) -> Remainder: ...


class LaneWork(Work, Protocol):
    """The same, with what a lane has to do around it."""

    def idle(self) -> None:
        """Called at the end of a unit, and each time that nothing was to do for a moment: quick."""

    def close(self) -> None:
        """The lane's last call: give back what belongs to its thread."""

"""Where a group's offsets are to be moved, as an operator says it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Edge:
    """The first message that is there, or the next one that comes."""

    is_end: bool

    def __str__(self) -> str:
        return "latest" if self.is_end else "earliest"


@dataclass(frozen=True, kw_only=True)
class Offset:
    number: int

    def __str__(self) -> str:
        return str(self.number)


@dataclass(frozen=True, kw_only=True)
class Shift:
    """So many messages back or forth from where the group is."""

    by: int

    def __str__(self) -> str:
        return f"{self.by:+d}"


@dataclass(frozen=True, kw_only=True)
class Moment:
    """The first message that was written then or later."""

    at: datetime

    def __str__(self) -> str:
        return self.at.isoformat()

    @property
    def milliseconds(self) -> int:
        # Below 0 Kafka has words of its own.
        return max(0, int(self.at.timestamp() * 1000))


Target = Edge | Offset | Shift | Moment

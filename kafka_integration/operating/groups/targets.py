"""Where a group's offsets are to be moved, as an operator says it."""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import dataclass
from datetime import datetime

from ..typed import is_number, read_start


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


def read_target(text: str) -> Target:
    """Where to move a group's offsets, as a command's argument or a form's field says it."""
    sign, digits = text[:1], text[1:] if text[:1] in ("+", "-") else text
    if is_number(digits):
        return Shift(by=int(text)) if sign in ("+", "-") else Offset(number=int(text))
    try:
        start = read_start(text)
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"{error}, nor an offset like 12, nor so many messages like +12 or -12") from error
    return Moment(at=start) if isinstance(start, datetime) else Edge(is_end=start == "latest")

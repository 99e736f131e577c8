"""Where a group's offsets are to be moved, as a command's argument or a form's field says it."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import datetime

from ..operating.groups.targets import Edge, Moment, Offset, Shift, Target
from .arguments import is_number, read_start


def read_target(text: str) -> Target:
    """An argument's type: where to move offsets."""
    sign, digits = text[:1], text[1:] if text[:1] in ("+", "-") else text
    if is_number(digits):
        return Shift(by=int(text)) if sign in ("+", "-") else Offset(number=int(text))
    try:
        start = read_start(text)
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"{error}, nor an offset like 12, nor so many messages like +12 or -12") from error
    return Moment(at=start) if isinstance(start, datetime) else Edge(is_end=start == "latest")

"""Types of the commands' arguments: what doesn't fit is wrong usage, and the argument parser says so."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable

from ..operating.typed import is_number

WRONG_USAGE = 2
"""The exit status of what can't be understood, argparse's too."""


def read_count(text: str) -> int:
    if not is_number(text) or int(text) < 1:
        raise ArgumentTypeError(f"{text} is no number of messages: give 1 or more")
    return int(text)


def read_id(text: str) -> int:
    if not is_number(text):
        raise ArgumentTypeError(f"{text!r} is no id: ids are whole numbers, as list shows them")
    return int(text)


def number_between(low: int, high: int) -> Callable[[str], int]:
    """An argument's type: a whole number within bounds."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return number

    return parse

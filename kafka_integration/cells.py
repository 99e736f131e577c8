"""Cells of tables: one sign for what there is none of, one word for what nobody knows, and numbers in commands."""

from __future__ import annotations

from .durations import spoken

NONE = "-"
UNKNOWN = "unknown"


def count(number: float | None, *, decimals: int = 0) -> str:
    """With its thousands apart."""
    return UNKNOWN if number is None else f"{number:,.{decimals}f}"


def offset(number: int | None) -> str:
    """Without them: it is typed again elsewhere."""
    return UNKNOWN if number is None else str(number)


def time_lag(lag: int | None, seconds: float | None) -> str:
    """How old the lowest unfinished message is; without lag there is none."""
    if lag == 0:
        return NONE
    return UNKNOWN if seconds is None else spoken(seconds)

"""Spans of time as people say them: here, for every page and every command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import pgettext_lazy

_SIZES = (86_400, 3600, 60, 1)
_NAMES = ("d", "h", "min", "s")
_LOCAL_NAMES = (
    pgettext_lazy("days", "d"),
    pgettext_lazy("hours", "h"),
    pgettext_lazy("minutes", "min"),
    pgettext_lazy("seconds", "s"),
)
FEW = 10
"""Of so many the next smaller unit is noise."""


def spoken(seconds: float, names: Sequence[Any] = _NAMES) -> str:
    """``12 min``, ``2 h 5 min``: a second unit only where the first is few; ``0.4 s`` below a second."""
    if 0 < seconds < 1:
        return f"{number_format(seconds, 1)} {names[-1]}"
    left, parts = _rounded(seconds), []
    for size, name in zip(_SIZES, names, strict=True):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts) or f"0 {names[-1]}"


def spoken_here(seconds: float) -> str:
    """The same in the language of whoever looks at a page."""
    return spoken(seconds, _LOCAL_NAMES)


def _rounded(seconds: float) -> int:
    """To a whole number of the smallest unit that is said."""
    place = next((place for place, size in enumerate(_SIZES) if seconds >= size), len(_SIZES) - 1)
    if seconds < FEW * _SIZES[place]:
        place = min(place + 1, len(_SIZES) - 1)
    return round(seconds / _SIZES[place]) * _SIZES[place]

"""Seconds as people say them."""

from __future__ import annotations

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def spoken(seconds: float) -> str:
    """``2 h 5 min``: the two largest units; ``0.4 s`` below a second."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    left, parts = round(seconds), []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])

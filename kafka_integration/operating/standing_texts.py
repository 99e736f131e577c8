"""How partitions, groups and processes stand, as commands say it."""

from __future__ import annotations

from ..cells import UNKNOWN


def standing_text(state: str | None, reason: str | None = None, stuck_offset: int | None = None) -> str:
    """A state in words, with why it waits or at what it is stuck."""
    if state is None:
        return UNKNOWN
    words = state.replace("_", " ")
    if reason is not None:
        return f"{words} ({reason})"
    return words if stuck_offset is None else f"{words} at offset {stuck_offset}"

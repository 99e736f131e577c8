"""Which process holds up what a group has not reached yet."""

from __future__ import annotations

from ...conf.producers import OperationsSettings
from ..groups.owners import Owner, Processes, owners_among
from .groups import GroupStep


def holder_of(step: GroupStep, processes: Processes, settings: OperationsSettings) -> Owner | None:
    """Who says that it is stuck at the event or before it, in its partition."""
    if step.place is None or step.offset is None:
        return None
    owner = owners_among([], step.group, processes, settings).of(step.place)
    if owner is None or owner.state != "stuck" or owner.stuck_offset is None:
        return None
    return owner if owner.stuck_offset <= step.offset else None


def has_in_hand(holder: Owner | None, step: GroupStep) -> bool:
    """Whether a handler of it is at work at this very event."""
    return holder is not None and holder.busy_seconds is not None and holder.stuck_offset == step.offset

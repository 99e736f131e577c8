"""A plan to move offsets, for programs and for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.utils.timezone import localtime
from django.utils.translation import gettext

from ...cells import count, offset
from ...local_times import spoken_moment
from ..columns import aligned
from .planning import Move, Plan
from .targets import Moment, Shift, Target


def plan_as_json(plan: Plan, moved_by: Sequence[str] | None = None) -> str:
    """One document for programs; ``moved_by`` is None as long as nothing was moved."""
    document = {
        "group": plan.group,
        "to": str(plan.target),
        "applied": moved_by is not None,
        "partitions": [_partition(move) for move in plan.moves],
        "notes": plan.notes,
        "moved_by": moved_by or (),
    }
    return json.dumps(document, indent=2)


def plan_as_lines(plan: Plan, moved_by: Sequence[str] | None = None) -> list[str]:
    """Lines for people; ``moved_by`` is None as long as nothing was moved."""
    rows = [("TOPIC", "PARTITION", "FROM", "TO", "AGAIN", "SKIPPED"), *map(_row, plan.moves)]
    lines = aligned(rows, right=(1, 2, 3, 4, 5))
    lines += [f"{move.topic}[{move.partition}]: {move.clamped}" for move in plan.moves if move.clamped]
    lines += [f"moved by {who}, which goes on working" for who in moved_by or ()]
    how = "; nothing was moved yet, --apply does it" if moved_by is None else ""
    return [*lines, *plan.notes, f"{summary_of(plan)}{how}"]


def summary_of(plan: Plan) -> str:
    """What it comes to, in one sentence."""
    # Between two offsets there may be less than one message for each.
    text = gettext(
        "group %(group)s goes on at %(target)s: up to %(again)d message(s) are handled again, %(skipped)d skipped"
    )
    summary = text % {
        "group": plan.group,
        "target": _spoken(plan.target),
        "again": sum(move.handled_again or 0 for move in plan.moves),
        "skipped": sum(move.skipped or 0 for move in plan.moves),
    }
    if not plan.unknown:
        return summary
    return summary + gettext(", unknown for %(count)d partition(s)") % {"count": len(plan.unknown)}


def _partition(move: Move) -> dict[str, Any]:
    return {
        "topic": move.topic,
        "partition": move.partition,
        "from": move.start,
        "to": move.to,
        "clamped": move.clamped,
        "handled_again": move.handled_again,
        "skipped": move.skipped,
    }


def _row(move: Move) -> tuple[str, ...]:
    return (
        move.topic,
        str(move.partition),
        *map(offset, (move.start, move.to)),
        *map(count, (move.handled_again, move.skipped)),
    )


def _spoken(target: Target) -> str:
    if isinstance(target, Moment):
        return spoken_moment(localtime(target.at))
    # Translators: “steps” is a number with its sign, by which a group is moved.
    return gettext("its offset %(steps)s") % {"steps": target} if isinstance(target, Shift) else str(target)

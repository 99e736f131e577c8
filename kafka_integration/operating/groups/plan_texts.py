"""A plan to move offsets, for programs and for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..columns import aligned
from .planning import Move, Plan


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
    return [*lines, *plan.notes, _summary(plan, is_applied=moved_by is not None)]


def _summary(plan: Plan, *, is_applied: bool) -> str:
    again = sum(move.handled_again or 0 for move in plan.moves)
    skipped = sum(move.skipped or 0 for move in plan.moves)
    unknown = f", unknown for {len(plan.unknown)} partition(s)" if plan.unknown else ""
    # Between two offsets there may be less than one message for each.
    done = f"group {plan.group} goes on at {plan.target}: up to {again} message(s) are handled again, {skipped} skipped"
    return f"{done}{unknown}{'' if is_applied else '; nothing was moved yet, --apply does it'}"


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
    counted = (move.to, move.handled_again, move.skipped)
    shown = ("unknown" if number is None else str(number) for number in counted)
    return move.topic, str(move.partition), str(move.start), *shown

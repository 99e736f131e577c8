"""The kinds of what waits for somebody, above the list of dead letters."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.views.main import PAGE_VAR, ChangeList

from ..dead_letters.kinds import recent_kinds, since
from . import bounded
from .bounded import AtLeast
from .dead_letter_filters import label_of

MOST_KINDS = 10


def kinds_of(database: str, changelist: ChangeList) -> dict[str, Any]:
    """What the list's template shows of them, the last to fail first, each with the way to its dead letters."""
    most = bounded.MOST_LOOKED_AT
    recent = recent_kinds(database, most_letters=most)
    shown = recent.kinds[:MOST_KINDS]
    if not recent.are_all:
        shown = tuple(since(shown, database))
    chosen = changelist.params.get("kind", ())
    return {
        "kinds": [
            (
                kind,
                label_of(kind.exception or "", kind.location, kind.consumer or ""),
                kind.count if recent.are_all else AtLeast(kind.count),
                changelist.get_query_string({"kind": kind.kind}, [PAGE_VAR]),
                kind.kind in chosen,
            )
            for kind in shown
        ],
        "other_kinds": len(recent.kinds) - len(shown),
        "kinds_of": None if recent.are_all else most,
    }

"""The kinds of what waits for somebody, above the list of dead letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.db.models import QuerySet
from django.utils.html import format_html_join
from django.utils.http import urlencode

from ..dead_letters.kinds import recent_kinds, since
from ..models import DeadLetter
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


def labels_of_kinds(letters: QuerySet[DeadLetter], most: int) -> dict[str | None, str]:
    """The kinds of so many of the newest of these, as people know them."""
    rows = letters.order_by("-pk").values_list("kind", "exception", "location", "consumer")[:most]
    return {kind: label_of(exception, location, consumer) for kind, exception, location, consumer in rows}


def links_to_kinds(url: str, labels: Mapping[str | None, str]) -> str:
    """The way to the lists of some of these kinds, where what became of their replays stands."""
    joined = "&" if "?" in url else "?"
    shown = [(f"{url}{joined}{urlencode({'kind': kind})}", label) for kind, label in labels.items() if kind is not None]
    return format_html_join(", ", '<a href="{}">{}</a>', shown[:MOST_KINDS])

"""Where the time of a consumer went: a bar of its handlers, and one of its loop, which go on side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ...durations import spoken_here
from ...observing.time_spent import OF_HANDLERS, OF_THE_LOOP, Phase
from .charts import Point, shares

TEXTS: dict[Phase, Promise] = {
    "handle": _("handler"),
    "database": _("database"),
    "commit": _("commits"),
    "fetch": _("fetching"),
    "wait": _("waiting for the handler"),
    "idle": _("waiting for messages"),
}


def time_charts(seconds: Mapping[str, Any], *, consumer: str) -> list[tuple[str, SafeString]]:
    """The last minute, each with its title; a chart of no time is none."""
    # Translators: of a consumer's handlers; the loop is what fetches messages for them, and commits.
    handlers = gettext("Time of the handlers of %(name)s in the last minute")
    loop = gettext("Time of the loop of %(name)s in the last minute")
    parts = ((handlers, OF_HANDLERS, 0), (loop, OF_THE_LOOP, len(OF_HANDLERS)))
    charts = []
    for text, phases, first_colour in parts:
        title, points = text % {"name": consumer}, [_point(phase, seconds.get(phase)) for phase in phases]
        charts.append((title, shares(points, title=title, first_colour=first_colour)))
    return charts


def _point(phase: Phase, seconds: float | None) -> Point:
    return Point(label=TEXTS[phase], value=seconds, text=None if seconds is None else spoken_here(seconds))

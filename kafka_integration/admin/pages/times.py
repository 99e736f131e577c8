"""Where the time of a consumer went, as a bar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ...durations import spoken_here
from ...observing.time_spent import PHASES, Phase
from .charts import Point, shares

TEXTS: dict[Phase, Promise] = {
    "handle": _("handler"),
    "database": _("database"),
    "commit": _("commits"),
    "fetch": _("fetching"),
    "wait": _("waiting for the handler"),
    "idle": _("waiting for messages"),
}


def time_chart(seconds: Mapping[str, Any] | None, *, consumer: str) -> SafeString:
    """The last minute; nothing where the process doesn't say."""
    points = [_point(phase, (seconds or {}).get(phase)) for phase in PHASES]
    return shares(points, title=gettext("Where the time of %(name)s went in the last minute") % {"name": consumer})


def _point(phase: Phase, seconds: float | None) -> Point:
    return Point(label=TEXTS[phase], value=seconds, text=None if seconds is None else spoken_here(seconds))

"""How the operator's pages show what is often unknown: numbers, spans of time, moments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import template
from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..admin.bounded import AtLeast
from ..admin.lists import listed
from ..admin.moments import moment_element
from ..admin.pages.standings import COMMANDS, LOOKS, PROCESS_LOOKS, PROCESS_STATES, standing_text, stuck_text
from ..admin.pages.times import time_charts
from ..cells import NONE
from ..durations import spoken_here
from ..models import Process

register = template.Library()

register.filter(listed)


FIRST_GROUPED = 1000
"""From here on there are digits to be set apart."""


@register.filter
def known(value: float | None) -> Any:
    """A number with its thousands apart, and what is unknown as such: never as zero."""
    if value is None:
        return _unknown()
    if type(value) is int and 0 <= value < FIRST_GROUPED:
        # Any language writes it so, and a page may have thousands of them.
        return SafeString(value)
    number, decimals = (value, 1) if isinstance(value, float) else (int(value), 0)
    shown = number_format(number, decimals, force_grouping=True)
    return f"{shown}+" if isinstance(value, AtLeast) else shown


@register.filter
def span(seconds: float | None) -> Any:
    """A span of time: "3 min 20 s"."""
    return _unknown() if seconds is None else spoken_here(max(0.0, seconds))


@register.filter
def moment(value: datetime | None) -> Any:
    """A moment with its zone: the server's, until the browser shows it in its own."""
    return _unknown() if value is None else moment_element(value)


@register.filter
def offset(value: int | None) -> Any:
    """An offset as it is typed: its thousands aren't apart."""
    return _unknown() if value is None else str(value)


@register.simple_tag
def time_lag(lag: int | None, seconds: float | None) -> Any:
    """How old the lowest unfinished message is; without lag there is none."""
    if lag == 0:
        return NONE
    return format_html('<span class="kafka-span">{}</span>', span(seconds))


@register.simple_tag
def standing(state: str | None, reason: str | None = None, stuck_offset: int | None = None) -> Any:
    """How a partition stands, in words, and in a colour where it doesn't go on."""
    if state is None:
        return _unknown()
    return format_html('<span class="{}">{}</span>', LOOKS.get(state, ""), standing_text(state, reason, stuck_offset))


@register.simple_tag
def stuck_reason(busy_seconds: float | None) -> Any:
    """What is known of why a partition is stuck."""
    return stuck_text(busy_seconds)


@register.simple_tag
def time_spent(seconds: Mapping[str, float] | None, consumer: str) -> Any:
    """Where the time of a consumer went, as bars."""
    charts = time_charts(seconds, consumer=consumer) if seconds else [(_("Time in the last minute"), _unknown())]
    shown = ((title, chart or NONE) for title, chart in charts)
    return format_html_join("", '<p class="kafka-time">{}</p>{}', shown)


@register.filter
def process_state(state: str) -> Any:
    """How a process or a consumer in it stands; words of a newer worker as they are."""
    return PROCESS_STATES.get(state, state)


@register.simple_tag
def process_standing(state: str) -> SafeString:
    """How a process stands, in the colour of that."""
    look = PROCESS_LOOKS.get(state, "kafka-waiting")
    return format_html('<strong class="{}">{}</strong>', look, process_state(state))


@register.filter
def memory(size: int | None) -> Any:
    """What a process takes up of its machine."""
    return _("memory unknown") if size is None else filesizeformat(size)


@register.filter
def process_kind(kind: str) -> Any:
    """Whether it is a process of consumers or of relays."""
    return dict(Process.Kind.choices).get(kind, kind)


@register.filter
def command_name(name: str) -> Any:
    """What a process was asked, as its button says it."""
    return COMMANDS.get(name, name)


def _unknown() -> SafeString:
    return format_html('<span class="kafka-unknown">{}</span>', _("unknown"))

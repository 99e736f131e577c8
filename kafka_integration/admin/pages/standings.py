"""How partitions and processes stand, and what these can be asked, in the words of people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from ...durations import spoken_here
from ...operating.groups.listing import WORST_FIRST
from ...operating.groups.losses import Loss
from ..lists import listed

STATES: dict[str, Promise] = {
    "stuck": _("stuck"),
    "falling_behind": _("falling behind"),
    "unowned": _("nobody reads it"),
    "waiting": _("waiting"),
    "catching_up": _("catching up"),
    "caught_up": _("caught up"),
}
REASONS: dict[str, Promise] = {
    "backoff": _("waits for its next attempt"),
    "outage": _("waits for brokers or a database that are away"),
    "paused": _("paused by an operator"),
    "handler": _("waits for a handler that is at work"),
    "draining": _("is handed over"),
}
PROCESS_STATES: dict[str, Promise] = {
    "starting": _("starting"),
    "running": _("running"),
    # Translators: a relay that would take over if the active one ended.
    "standing_by": _("standing by"),
    # Translators: a process that begins nothing more, until it is stopped.
    "quiet": _("quiet"),
    # Translators: a process that finishes what it has in hand, and then ends.
    "draining": _("draining"),
    "stopped": _("stopped"),
    # Translators: a process of which nothing was heard for long.
    "lost": _("lost"),
}
COMMANDS: dict[str, Promise] = {
    # Translators: of a consumer, which leaves its partitions where they are.
    "pause": _("Pause"),
    "resume": _("Resume"),
    # Translators: of a process, which finishes what is in hand and begins nothing more.
    "quiet": _("Quiet"),
    "stop": _("Stop"),
    # Translators: of a process, which shows where each of its threads is.
    "trace": _("Trace"),
    "reset": _("Move the offsets"),
}
MOST_LOSSES_NAMED = 5
LOOKS = {"stuck": "kafka-bad", "falling_behind": "kafka-bad", "unowned": "kafka-bad", "waiting": "kafka-waiting"}
"""The classes that states are drawn with; the others look like any text."""
PROCESS_LOOKS = {"running": "kafka-good", "lost": "kafka-bad"}
"""The classes that states of processes are drawn with; in the others they wait for something."""


def standing_text(state: str | None, reason: str | None = None, stuck_offset: int | None = None) -> Any:
    """A state with its reason or with what it is stuck at; words of a newer worker as they are."""
    if state is None:
        return _("unknown")
    if reason is not None:
        return REASONS.get(reason, reason)
    if state == "stuck" and stuck_offset is not None:
        return format_lazy(_("stuck at offset {offset}"), offset=stuck_offset)
    return STATES.get(state, state)


def stuck_text(busy_seconds: float | None) -> Any:
    """What is known of why a partition is stuck."""
    if not busy_seconds:
        return _("nothing is finished any more, and no handler is at work")
    return format_lazy(_("its handler has been at work for {span}"), span=spoken_here(busy_seconds))


def lost_text(group: str, losses: Sequence[Loss]) -> str:
    """What was deleted before the group had handled it; empty where nothing was."""
    if not losses:
        return ""
    count = sum(loss.count for loss in losses)
    named = [f"{each.topic}[{each.partition}] {each.committed}\N{EN DASH}{each.first - 1}" for each in losses]
    others = len(named) - MOST_LOSSES_NAMED
    text = ngettext(
        # Translators: “places” are partitions with the first and last offset of what was deleted.
        "Up to %(count)s message was deleted before group %(group)s handled it: %(places)s.",
        "Up to %(count)s messages were deleted before group %(group)s handled them: %(places)s.",
        count,
    )
    places = listed([*named[:MOST_LOSSES_NAMED], *([f"+{others}"] if others > 0 else [])])
    return text % {"count": number_format(count, force_grouping=True), "group": group, "places": places}


def deleted_ahead_text(count: int) -> str:
    """What is deleted before the group has handled it, though it goes on; empty where nothing is."""
    if not count:
        return ""
    text = ngettext(
        "Up to %(count)s message that it has yet to handle is deleted: only if a process has fetched it is it handled.",
        "Up to %(count)s messages that it has yet to handle are deleted: only what its processes fetched is handled.",
        count,
    )
    return text % {"count": number_format(count, force_grouping=True)}


def loss_text(group: str, in_seconds: float) -> str:
    """When retention takes the first message that the group hasn't handled; at any moment where its time is over."""
    if in_seconds < 1:
        text = gettext(
            "Retention is over for messages that group %(group)s has yet to handle: "
            "they are deleted, or may be at any moment."
        )
        return text % {"group": group}
    text = gettext("In %(span)s retention takes the first message that group %(group)s has yet to handle.")
    return text % {"group": group, "span": spoken_here(in_seconds)}


def worst_of(states: Iterable[str | None]) -> str | None:
    """The one that needs somebody most; None if there is none that is known."""
    known = [state for state in states if state is not None]
    return min(known, key=_rank) if known else None


def _rank(state: str) -> int:
    return WORST_FIRST.index(state) if state in WORST_FIRST else len(WORST_FIRST)

"""Topics, plans and problems as lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from ...cells import count
from ..columns import aligned
from .applying import Applied
from .health import TopicProblem
from .listing import Listing
from .planning import Change, Plan


def list_lines(listing: Listing) -> list[str]:
    """A table of the topics, and the names of those that aren't there."""
    rows = [("TOPIC", "PARTITIONS", "REPLICAS", "CONFIGURED")]
    for each in listing.topics:
        rows.append(
            (each.topic, count(each.partitions), count(each.replication_factor), "yes" if each.configured else "no")
        )
    lines = aligned(rows, right=(1, 2)) if listing.topics else ["There are no topics that this user may see."]
    return [
        *lines,
        *(f"{name}: the settings name it, but it isn't there (kafkatopics plan)" for name in listing.missing),
    ]


def plan_lines(plan: Plan) -> list[str]:
    """What would be done, each with what else it does."""
    if not plan.changes:
        if plan.obstacles:
            return ["Nothing is done: what the settings say otherwise can't be done here."]
        return ["Nothing to do: the topics are as the settings say."]
    return [line for change in plan.changes for line in _change_lines(change)]


def applied_lines(applied: Applied) -> list[str]:
    """One change and what became of it."""
    what, *warnings = _change_lines(applied.change)
    return [f"{what}: {applied.result}", *warnings]


def health_lines(problems: Iterable[TopicProblem]) -> list[str]:
    """Each problem with its remedy."""
    return [f"{each.topic}: {each.problem}\n    {each.remedy}" for each in problems]


def change_text(change: Change) -> str:
    """What is done, in a line."""
    return f"{change.topic}: {_what(change)}"


def _change_lines(change: Change) -> list[str]:
    return [change_text(change), *([f"    careful: {change.warning}"] if change.warning else [])]


def _what(change: Change) -> str:
    if change.action == "create":
        return _("make it, with %(sizes)s") % {"sizes": _new(change.after)}
    if change.action == "add_partitions":
        return _("add partitions, from %(before)d to %(after)d") % {"before": change.before, "after": change.after}
    parts = [
        _("%(setting)s from %(before)s to %(after)s")
        % {"setting": name, "before": _value(change.before[name]), "after": _value(value)}
        for name, value in change.after.items()
    ]
    return _("set %(settings)s") % {"settings": ", ".join(parts)}


def _new(after: Mapping[str, Any]) -> str:
    partitions, replicas = after["partitions"], after["replication_factor"]
    settings = [f", {name} {value}" for name, value in after["config"].items()]
    return f"{_sizes(partitions, replicas) % {'partitions': partitions, 'replicas': replicas}}{''.join(settings)}"


def _sizes(partitions: int | None, replicas: int | None) -> str:
    if partitions is None and replicas is None:
        return _("as many partitions and as many replicas as the cluster gives")
    if partitions is None:
        return _("as many partitions and %(replicas)d replicas as the cluster gives")
    if replicas is None:
        return _("%(partitions)d partitions and as many replicas as the cluster gives")
    return _("%(partitions)d partitions and %(replicas)d replicas")


def _value(value: str | None) -> str:
    return _("the cluster's default") if value is None else value

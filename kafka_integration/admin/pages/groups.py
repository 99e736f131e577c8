"""How far each group is behind; one group, and moving its offsets after a look at the plan."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Any

from django.db import DatabaseError
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ...conf import get_settings
from ...errors import ResetRefusedError
from ...models import LagSample
from ...operating.groups.forecast import look_ahead
from ...operating.groups.history import HistoryPoint, Span, history_of
from ...operating.groups.lag import GroupLag, compute_lag
from ...operating.groups.listing import list_groups
from ...operating.groups.losses import losses_among
from ...operating.groups.members import Member
from ...operating.groups.plan_texts import summary_of
from ...operating.groups.planning import Plan, plan_reset
from ...operating.groups.resetting import carry_out
from ...operating.groups.targets import read_target
from ...operating.presence.row import database_of_processes
from ...operating.typed import read_places
from ...summaries import escaped, names_of_partitions, shortened
from ...tables import has_table
from ..moments import moment_element
from .charts import Point, sparkline
from .operation import Done, Operation
from .page import Page
from .standings import deleted_ahead_text, lost_text

REFRESH_SECONDS = 15
SPANS: dict[Span, Any] = {
    # Translators: the last hour, day or month, of a chart.
    "hour": gettext_lazy("hour"),
    "day": gettext_lazy("day"),
    "month": gettext_lazy("month"),
}


class GroupsPage(Page):
    name = "groups"
    title = gettext_lazy("Groups")
    live_template = "admin/kafka_integration/pages/groups.html"
    refresh_seconds = REFRESH_SECONDS

    def context(self) -> dict[str, Any]:
        groups = list_groups(get_settings())
        histories = _histories([group.name for group in groups], "hour")
        title, label = _("Lag in the last hour"), cache(moment_element)
        return {
            "groups": [
                (group, self.url_of("group", group=group.name), _chart(histories.get(group.name, ()), title, label))
                for group in groups
            ]
        }


class GroupPage(Page):
    name = "group"
    title = gettext_lazy("Group")
    route = "<kafka_name:group>/"
    parent = GroupsPage
    template_name = "admin/kafka_integration/pages/group_reset.html"
    live_template = "admin/kafka_integration/pages/group.html"
    refresh_seconds = REFRESH_SECONDS
    operations = {"reset": Operation(label=gettext_lazy("Move the offsets"), permission="reset_offsets")}

    def heading(self) -> Any:
        return _("Group %(name)s") % {"name": self.group}

    @property
    def group(self) -> str:
        return str(self.kwargs["group"])

    def context(self) -> dict[str, Any]:
        settings, span = get_settings(), self.parameter("span", "hour", known=tuple(SPANS))
        try:
            lag = compute_lag(settings, self.group)
            plan = self._plan(lag) if self.parameter("to") and self.may("reset") else None
        except DatabaseError as error:
            return {"obstacle": _("The stored offsets can't be read: %(reason)s") % {"reason": error}}
        history = _histories([self.group], span).get(self.group, ())  # type: ignore[arg-type]  # one of SPANS
        return {
            "lag": lag,
            "outlook": look_ahead(lag),
            "lost": lost_text(self.group, losses_among(lag.partitions)),
            "deleted_ahead": deleted_ahead_text(lag.deleted_ahead),
            "members": [_member(each) for each in lag.members.shown],
            "other_members": lag.members.others,
            "processes_url": self.url_of("processes"),
            "chart": _chart(history, _("Lag"), moment_element, width=480, height=80),
            "spans": [(name, label, name == span) for name, label in SPANS.items()],
            "plan": plan,
            "summary": summary_of(plan) if plan else "",
            "digest": _digest(plan) if plan else "",
            "given": {"to": self.parameter("to"), "topic": self.parameter("topic")},
        }

    def reset(self) -> Done:
        """Move the offsets as planned, if that is still what the user saw."""
        plan = self._plan()
        if self.parameter("plan") != _digest(plan):
            raise ResetRefusedError(_("Where that leads has changed meanwhile: look at the plan again."))
        carry_out(get_settings(), plan, requested_by=self.request.user.get_username())
        count = len(plan.moves)
        text = ngettext("%(count)d partition was moved.", "%(count)d partitions were moved.", count) % {"count": count}
        places = ", ".join(f"{move.topic}[{move.partition}] {move.start} to {move.to}" for move in plan.moves)
        return Done(
            text=text,
            subject=_("group %(name)s") % {"name": self.group},
            logged=f"offsets moved to {plan.target}: {places}",
        )

    def _plan(self, lag: GroupLag | None = None) -> Plan:
        try:
            target = read_target(self.parameter("to"))
            topic, partition = read_places(given) if (given := self.parameter("topic")) else (None, None)
        except ArgumentTypeError as error:
            raise ResetRefusedError(str(error)) from error
        return plan_reset(get_settings(), self.group, target, topic=topic, partition=partition, lag=lag)


def _member(member: Member) -> dict[str, Any]:
    return {
        "client": None if member.client_id is None else escaped(member.client_id),
        "host": escaped(member.host),
        "worker": member.worker,
        "count": len(member.partitions),
        "partitions": shortened(names_of_partitions(member.partitions)),
    }


def _histories(groups: Sequence[str], span: Span) -> dict[str, list[HistoryPoint]]:
    return history_of(groups, span) if has_table(database_of_processes(), LagSample) else {}


def _chart(
    history: Sequence[HistoryPoint], title: str, label: Callable[[datetime], SafeString], **size: int
) -> SafeString:
    points = [Point(label=label(point.at), value=point.lag) for point in history]
    return sparkline(points, title=title, **size)


def _digest(plan: Plan) -> str:
    return sha256(repr([(move.place, move.to) for move in plan.moves]).encode()).hexdigest()

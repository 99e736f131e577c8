"""The tables of partitions, of which there may be hundreds on a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from django import template
from django.template import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from ..admin.lists import listed
from ..admin.pages.tables import NUMBER, Column, Row, table
from ..cells import NONE
from ..operating.groups.looking import PartitionLag
from ..operating.groups.planning import Move
from .kafka_pages import known, offset, standing, time_lag

register = template.Library()


@register.simple_tag(takes_context=True)
def group_partitions(context: Context, partitions: Sequence[PartitionLag]) -> SafeString:
    """How far a group is in each."""
    columns = (
        Column(label=_("Partition")),
        # Translators: the offset that the group has committed.
        Column(label=_("Committed"), look=NUMBER),
        # Translators: the offset after a partition's last message.
        Column(label=_("End"), look=NUMBER),
        Column(label=_("Lag"), look=NUMBER),
        Column(label=_("Time lag")),
        Column(label=_("State")),
    )
    stands = _Standings(context)
    return table(columns, (_group_row(each, stands) for each in partitions))


def _group_row(partition: PartitionLag, stands: _Standings) -> Row:
    owner = partition.owner
    cells = (
        f"{partition.topic}[{partition.partition}]",
        _committed(partition),
        offset(partition.end),
        known(partition.lag),
        time_lag(partition.lag, partition.time_lag_seconds),
        stands.cell(
            vars(partition),
            busy_seconds=None if owner is None else owner.busy_seconds,
            process_id=None if owner is None else owner.process_id,
        ),
    )
    return Row(id=f"partition-{partition.topic}-{partition.partition}", cells=cells)


def _committed(partition: PartitionLag) -> Any:
    shown = NONE if partition.committed is None else offset(partition.committed)
    if not partition.lost:
        return shown
    begins = _("begins at %(first)s") % {"first": offset(partition.first)}
    return format_html('{} <span class="kafka-aside kafka-bad">{}</span>', shown, begins)


@register.simple_tag
def planned_moves(moves: Sequence[Move]) -> SafeString:
    """Where a reset moves each partition."""
    columns = (
        Column(label=_("Partition")),
        Column(label=pgettext("an offset", "From"), look=NUMBER),
        Column(label=pgettext("an offset", "To"), look=NUMBER),
        Column(label=_("Handled again"), look=NUMBER),
        Column(label=_("Skipped"), look=NUMBER),
        Column(label=_("Note")),
    )
    return table(columns, map(_move_row, moves))


def _move_row(move: Move) -> Row:
    cells = (
        f"{move.topic}[{move.partition}]",
        offset(move.start),
        offset(move.to),
        known(move.handled_again),
        known(move.skipped),
        move.clamped or NONE,
    )
    return Row(cells=cells)


@register.simple_tag
def topic_partitions(partitions: Iterable[Mapping[str, Any]]) -> SafeString:
    """Where each partition of a topic is, and what it holds."""
    columns = (
        Column(label=_("Partition")),
        Column(label=_("Leader")),
        Column(label=_("Replicas")),
        Column(label=_("Not in sync")),
        Column(label=_("First offset"), look=NUMBER),
        Column(label=_("End"), look=NUMBER),
    )
    return table(columns, map(_topic_row, partitions))


def _topic_row(partition: Mapping[str, Any]) -> Row:
    layout = partition["layout"]
    cells = (
        layout.number,
        _bad(pgettext("leader of a partition", "none")) if layout.leader is None else layout.leader,
        listed(layout.replicas),
        _bad(listed(partition["behind"])) if partition["behind"] else NONE,
        offset(partition["first"]),
        offset(partition["end"]),
    )
    return Row(id=f"partition-{layout.number}", cells=cells)


@register.simple_tag(takes_context=True)
def owned_partitions(
    context: Context, partitions: Iterable[Mapping[str, Any]], process_id: int, consumer: str
) -> SafeString:
    """Where a consumer in a process is in each of its partitions, as it says itself."""
    columns = (
        Column(label=_("Partition")),
        Column(label=_("Position"), look=NUMBER),
        Column(label=_("Lag"), look=NUMBER),
        Column(label=_("State")),
    )
    stands, prefix = _Standings(context), f"partition-{process_id}-{consumer}"
    return table(columns, (_owned_row(each, prefix, stands) for each in partitions))


def _owned_row(partition: Mapping[str, Any], prefix: str, stands: _Standings) -> Row:
    # A worker of another version may say more, or less.
    topic, number = partition.get("topic"), partition.get("partition")
    cells = (
        f"{topic}[{number}]",
        offset(partition.get("position")),
        known(partition.get("lag")),
        stands.cell(partition, busy_seconds=partition.get("busy_seconds")),
    )
    return Row(id=f"{prefix}-{topic}-{number}", cells=cells)


class _Standings:
    """How partitions stand: most of them alike, and those that are stuck with the ways to more."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cell_of = cache(_standing_cell)

    def cell(self, partition: Mapping[str, Any], **stuck: Any) -> SafeString:
        state, reason = partition.get("state"), partition.get("reason")
        if state != "stuck":
            return self._cell_of(state, reason)
        return _standing_cell(state, reason, partition.get("stuck_offset"), self._ways(partition, stuck))

    def _ways(self, partition: Mapping[str, Any], stuck: Mapping[str, Any]) -> str:
        shown = {"partition": partition, "processes_url": self._context.get("processes_url"), **stuck}
        page = self._context.template
        assert page is not None  # which is being rendered
        # With its request, which knows the admin that links stay in.
        return page.engine.get_template("admin/kafka_integration/pages/stuck.html").render(self._context.new(shown))


def _standing_cell(
    state: str | None, reason: str | None, stuck_offset: int | None = None, ways: str = ""
) -> SafeString:
    return format_html("<div>{}{}</div>", standing(state, reason, stuck_offset), ways)


def _bad(text: str) -> SafeString:
    return format_html('<span class="kafka-bad">{}</span>', text)

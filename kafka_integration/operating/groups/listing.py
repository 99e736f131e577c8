"""The groups of the settings, with what each has still to do."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import DatabaseError
from django.utils.translation import gettext as _

from ...cells import NONE, UNKNOWN, count, time_lag
from ...conf.settings import Settings
from ...durations import spoken
from ...errors import BrokerError
from ...summaries import escaped, shortened, text_of
from ..columns import aligned
from ..standing_texts import standing_text
from .forecast import NOTHING_TO_COME, Outlook, look_ahead_of_all
from .lag import GroupLag, compute_lags, consumers_of

HEAD = ("GROUP", "CONSUMERS", "LAG", "TIME LAG", "HANDLED IN", "FIRST LOSS IN", "STATE")
WORST_FIRST = ("stuck", "falling_behind", "unowned", "waiting", "catching_up", "caught_up")


@dataclass(frozen=True, kw_only=True)
class ListedGroup:
    """A group and its consumers; ``problem`` says why its lag and outlook can't be told."""

    name: str
    consumers: tuple[str, ...]
    topics: tuple[str, ...]
    lag: GroupLag | None
    outlook: Outlook = NOTHING_TO_COME
    problem: str | None = None

    @property
    def total(self) -> int | None:
        return None if self.lag is None else self.lag.total

    @property
    def time_lag_seconds(self) -> float | None:
        return None if self.lag is None else self.lag.time_lag_seconds

    @property
    def is_loss_unknown(self) -> bool:
        """Whether nobody knows when it loses messages; where a part of it does, the first of these is known."""
        return self.outlook.loss_in_seconds is None and (self.total is None or bool(self.outlook.loss_unknown))

    @property
    def state(self) -> str | None:
        """The worst of its partitions' states; None where one isn't known, and none of the others is bad."""
        states = {partition.state for partition in self.lag.partitions} if self.lag else {None}
        known = [state for state in WORST_FIRST if state in states]
        is_certain = known and (None not in states or known[0] == WORST_FIRST[0])
        return known[0] if is_certain else None


def list_groups(settings: Settings) -> list[ListedGroup]:
    """Every group that a consumer of the settings has, by name; one that can't be asked about hides no other."""
    names = sorted({consumer.consumer_group for consumer in settings.consumers.values()})
    lags = compute_lags(settings, names)
    outlooks = look_ahead_of_all([lag for lag in lags.values() if isinstance(lag, GroupLag)])
    return [_listed(settings, name, lag, outlooks.get(name, NOTHING_TO_COME)) for name, lag in lags.items()]


def groups_as_json(groups: Iterable[ListedGroup]) -> str:
    """A list for programs."""
    shown = [
        {
            "group": group.name,
            "consumers": group.consumers,
            "topics": group.topics,
            "state": group.state,
            "total": group.total,
            "time_lag_seconds": group.time_lag_seconds,
            "eta_seconds": group.outlook.eta_seconds,
            "loss_in_seconds": group.outlook.loss_in_seconds,
            "loss_unknown": group.outlook.loss_unknown,
            "problem": group.problem,
        }
        for group in groups
    ]
    return json.dumps(shown, indent=2)


def groups_as_table(groups: Iterable[ListedGroup]) -> list[str]:
    """Lines for people."""
    groups = list(groups)
    if not groups:
        return ["settings.KAFKA has no consumers"]
    rows = [HEAD, *map(_row, groups)]
    problems = [f"{group.name}: {group.problem}" for group in groups if group.problem]
    return [*aligned(rows, right=(2, 3, 4, 5)), *problems]


def _listed(
    settings: Settings, name: str, lag: GroupLag | BrokerError | DatabaseError, outlook: Outlook
) -> ListedGroup:
    consumers = consumers_of(settings, name)
    return ListedGroup(
        name=name,
        consumers=tuple(consumer.name for consumer in consumers),
        topics=tuple(sorted({topic for consumer in consumers for topic in consumer.topics})),
        lag=lag if isinstance(lag, GroupLag) else None,
        outlook=outlook,
        problem=_problem(lag) if isinstance(lag, Exception) else None,
    )


def _problem(error: Exception) -> str:
    reason = shortened(escaped(text_of(error)))
    if isinstance(error, BrokerError):
        return reason
    return _("the stored offsets can't be read: %(reason)s") % {"reason": reason}


def _row(group: ListedGroup) -> tuple[str, ...]:
    return (
        group.name,
        ", ".join(group.consumers),
        count(group.total),
        time_lag(group.total, group.time_lag_seconds),
        _span_or_none(group.outlook.eta_seconds),
        _first_loss(group),
        standing_text(group.state),
    )


def _first_loss(group: ListedGroup) -> str:
    if group.is_loss_unknown:
        return UNKNOWN
    return "any moment" if group.outlook.is_loss_due else _span_or_none(group.outlook.loss_in_seconds)


def _span_or_none(seconds: float | None) -> str:
    return NONE if seconds is None else spoken(seconds)

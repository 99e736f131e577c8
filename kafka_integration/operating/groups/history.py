"""How far groups have been behind: looked at every few seconds by one process of all, kept longer in fewer rows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db.models import DateTimeField, F, Func, IntegerField, Max, OuterRef, Q, QuerySet, Subquery, Value
from django.utils import timezone

from ...models import LagSample
from .lag import GroupLag

SAMPLE_SECONDS = 15
Span = Literal["hour", "day", "month"]
_SPANS: dict[Span, tuple[timedelta, timedelta]] = {
    "hour": (timedelta(hours=1), timedelta(minutes=1)),
    "day": (timedelta(days=1), timedelta(minutes=15)),
    "month": (timedelta(days=30), timedelta(hours=6)),
}
"""How far back each goes, and in what steps."""
_KEPT = ((timedelta(days=1), timedelta(hours=1)), (timedelta(hours=1), timedelta(minutes=5)))
"""Of what is older than the first, one is kept for each of the second."""


@dataclass(frozen=True, kw_only=True)
class HistoryPoint:
    """The highest lag that was seen in one step of time; None is unknown: nobody looked, or nobody could tell."""

    at: datetime
    lag: int | None
    time_lag_seconds: float | None


def history_of(groups: Collection[str], span: Span) -> dict[str, list[HistoryPoint]]:
    """The last hour, day or month of each group in even steps, the latest last; one query for all of them."""
    length, step = _SPANS[span]
    last = _floor(timezone.now(), step)
    moments = [last - step * number for number in reversed(range(length // step))]
    rows = LagSample.objects.filter(group__in=groups, at__gte=moments[0]).order_by()
    # There may be thousands of rows, and a driver takes its time for each.
    by_step = rows.annotate(number=_StepsSince(moments[0], step)).values_list("group", "number")
    highest = by_step.annotate(Max("lag"), oldest=Max("time_lag_seconds", filter=Q(lag__isnull=False)))
    found = {(group, number): (lag, seconds) for group, number, lag, seconds in highest}
    unknown = None, None
    return {
        group: [_point(at, *found.get((group, number), unknown)) for number, at in enumerate(moments)]
        for group in groups
    }


def begin_sample(group: str, now: datetime) -> LagSample | None:
    """A row for this moment to be filled by ``end_sample``; None where somebody else has it."""
    at = _floor(now, timedelta(seconds=SAMPLE_SECONDS))
    sample, is_new = LagSample.objects.get_or_create(group=group, at=at)
    return sample if is_new else None


def end_sample(sample: LagSample, lag: GroupLag, *, loss_in_seconds: float | None) -> None:
    """Note what was seen."""
    positions: dict[str, dict[str, list[int | None]]] = {}
    for each in lag.partitions:
        if each.position is not None:
            # Below the first offset where messages were deleted before the group handled them.
            at = each.committed if each.lost else each.position
            positions.setdefault(each.topic, {})[str(each.partition)] = [each.first, at, each.end]
    LagSample.objects.filter(pk=sample.pk).update(
        lag=lag.total,
        time_lag_seconds=lag.time_lag_seconds,
        positions=positions,
        loss_in_seconds=loss_in_seconds,
    )


def taken_at(groups: Collection[str], now: datetime) -> set[str]:
    """The groups at which somebody looks at this moment already."""
    at = _floor(now, timedelta(seconds=SAMPLE_SECONDS))
    return set(LagSample.objects.filter(group__in=groups, at=at).values_list("group", flat=True))


def one_of_each(samples: QuerySet[LagSample], groups: Collection[str], *, by: str) -> QuerySet[LagSample]:
    """The first of these samples of each group in that order, with one query."""
    first = samples.filter(group=OuterRef("group")).order_by(by).values("at")[:1]
    return samples.filter(group__in=groups, at=Subquery(first))


def thin_out(*, history_days: int) -> None:
    """Keep all samples of an hour, of a day the highest of five minutes each, and of what is older of each hour."""
    now = timezone.now()
    LagSample.objects.filter(at__lt=now - timedelta(days=history_days)).delete()
    upper = None
    for age, step in _KEPT:
        rows = LagSample.objects.filter(at__lt=now - age)
        _thin(rows if upper is None else rows.filter(at__gte=upper), step)
        upper = now - age
    LagSample.objects.filter(at__lt=now - _KEPT[-1][0], positions__isnull=False).update(positions=None)


def _thin(rows: QuerySet[LagSample], step: timedelta) -> None:
    highest: dict[tuple[str, datetime], tuple[bool, int, int]] = {}
    extra: list[int] = []
    for pk, group, at, lag in rows.values_list("pk", "group", "at", "lag"):
        key, found = (group, _floor(at, step)), (lag is not None, lag or 0, pk)
        if (former := highest.get(key)) is not None:
            extra.append(min(former, found)[2])
        highest[key] = max(former or found, found)
    for first in range(0, len(extra), 500):
        LagSample.objects.filter(pk__in=extra[first : first + 500]).delete()


class _StepsSince(Func):
    """How many whole steps lie between a moment and the sample: a difference, whatever the database's time zone is."""

    output_field = IntegerField()

    def __init__(self, first: datetime, step: timedelta) -> None:
        super().__init__(F("at"), Value(first, output_field=DateTimeField()), seconds=int(step.total_seconds()))

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        template = "CAST(FLOOR(EXTRACT(EPOCH FROM (%(expressions)s)) / %(seconds)s) AS integer)"
        return self.as_sql(compiler, connection, template=template, arg_joiner=" - ", **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        # Through the template, and then through the driver's own.
        template = "(STRFTIME('%%%%s', %(expressions)s)) / %(seconds)s"
        return self.as_sql(compiler, connection, template=template, arg_joiner=") - STRFTIME('%%s', ", **extra)


def _point(at: datetime, lag: int | None, time_lag_seconds: float | None) -> HistoryPoint:
    # Without lag there is nothing that could be old.
    is_idle = lag == 0 and time_lag_seconds is None
    return HistoryPoint(at=at, lag=lag, time_lag_seconds=0.0 if is_idle else time_lag_seconds)


def _floor(moment: datetime, step: timedelta) -> datetime:
    """The beginning of its step; steps begin together whatever the time zone."""
    seconds = step.total_seconds()
    floored = moment.timestamp() // seconds * seconds
    aware = datetime.fromtimestamp(floored, tz=moment.tzinfo or timezone.get_default_timezone())
    return aware if moment.tzinfo else aware.replace(tzinfo=None)

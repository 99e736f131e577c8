"""When a group will have caught up, and when retention reaches what it hasn't handled yet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import time

from django.db import Error as DatabaseLayerError
from django.db import router
from django.utils import timezone
from django.utils.translation import gettext as _

from ...client.metadata.topic_configs import Config
from ...models import LagSample
from ...tables import has_table
from .history import one_of_each
from .lag import GroupLag
from .looking import PartitionLag

MINUTE = timedelta(seconds=60), timedelta(seconds=180)
"""How old the sample may be by which it is told what was done in the last minute: the youngest of these."""
HOUR = timedelta(seconds=60), timedelta(hours=1)
"""The log's start moves by whole segments: the oldest of these."""
NEAR_PART, NEAR_SECONDS, NEAR_SECONDS_BY_SIZE = 0.1, 86_400.0, 3_600.0
"""A loss is near in the last tenth of a topic's retention, a day at most; an hour where its size is limited."""
OLDER_PART = 0.5
"""Of a log of limited size: segments go as wholes, and a busy one may hold less than an hour."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """Seconds from now; None where nobody can tell, or it won't be."""

    eta_seconds: float | None
    loss_in_seconds: float | None
    near_loss_in_seconds: float | None = None
    """The first that is soon for how long its topic keeps messages, and that the group's pace doesn't forestall."""
    loss_unknown: tuple[str, ...] = ()
    """Topics of which it isn't known when messages that wait there are lost."""
    loss_unknown_why: str = ""

    @property
    def is_loss_due(self) -> bool:
        """Whether only the broker knows when: segments are deleted as wholes, and late."""
        return self.loss_in_seconds is not None and self.loss_in_seconds < 1


NOTHING_TO_COME = Outlook(eta_seconds=None, loss_in_seconds=None)
"""Of a group without lag, and of one of which nothing is known."""


@dataclass(frozen=True, kw_only=True)
class _Past:
    """Where a partition and its group were some time ago."""

    first: int
    position: int
    end: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _Loss:
    """When the first message of a partition is lost, by its age or by the size of its topic."""

    in_seconds: float
    is_near: bool


Pasts = Mapping[tuple[str, int], _Past]


def look_ahead(lag: GroupLag) -> Outlook:
    """By what was seen of the group in the last minute and hour, and by the settings of its topics."""
    return look_ahead_of_all([lag])[lag.group]


def look_ahead_of_all(lags: Collection[GroupLag]) -> dict[str, Outlook]:
    """The same of many groups, with two queries."""
    behind = {lag.group for lag in lags if any(each.lag for each in lag.partitions)}
    near, distant = _pasts(behind, is_near=True), _pasts(behind, is_near=False)
    return {lag.group: _outlook(lag, near.get(lag.group, {}), distant.get(lag.group, {})) for lag in lags}


def _outlook(lag: GroupLag, minute: Pasts, hour: Pasts) -> Outlook:
    behind = [each for each in lag.partitions if each.lag]
    if not behind:
        return NOTHING_TO_COME
    configs = lag.settings.configs
    untold = {each.topic for each in behind} - configs.keys()
    timeless = {each.topic for each in behind if _is_timeless(each, configs.get(each.topic, {}))}
    etas = [_eta(each, minute) for each in behind]
    losses = [
        (loss, eta)
        for each, eta in zip(behind, etas, strict=True)
        for loss in _losses(each, configs.get(each.topic, {}), minute, hour)
    ]
    near = (loss.in_seconds for loss, eta in losses if loss.is_near and (eta is None or eta >= loss.in_seconds))
    return Outlook(
        eta_seconds=_longest(etas) if lag.total is not None else None,
        loss_in_seconds=min((loss.in_seconds for loss, eta in losses), default=None),
        near_loss_in_seconds=min(near, default=None),
        loss_unknown=tuple(sorted(untold | timeless)),
        loss_unknown_why="; ".join(_reasons(lag, untold, timeless)),
    )


def _reasons(lag: GroupLag, untold: Collection[str], timeless: Collection[str]) -> Iterator[str]:
    if untold:
        yield str(lag.settings.trouble)
    if timeless:
        yield _("the first message that waits can't be read, or has no timestamp")


def _longest(etas: Sequence[float | None]) -> float | None:
    known = [eta for eta in etas if eta is not None]
    return max(known) if len(known) == len(etas) else None


def _eta(partition: PartitionLag, pasts: Pasts) -> float | None:
    """Lag by what is finished less what arrives; None where it doesn't shrink."""
    past = pasts.get(partition.place)
    if past is None or partition.position is None or partition.end is None or not partition.lag:
        return None
    # What was finished lately is no pace of who stands still since; and what was deleted, nobody has finished.
    if partition.state == "stuck":
        return None
    finished = partition.position - max(past.position, partition.first or 0)
    arrived = partition.end - past.end
    shrunk_by = finished - arrived
    # Who was moved back has finished nothing.
    return round(partition.lag * past.seconds / shrunk_by, 3) if finished > 0 and shrunk_by > 0 else None


def _is_timeless(partition: PartitionLag, config: Config) -> bool:
    """Whether its message's age would tell, and isn't known."""
    is_by_age = "delete" in _text(config, "cleanup.policy") and _number(config, "retention.ms") is not None
    return is_by_age and partition.oldest_ms is None


def _losses(partition: PartitionLag, config: Config, minute: Pasts, hour: Pasts) -> list[_Loss]:
    if "delete" not in _text(config, "cleanup.policy"):
        return []
    found = [_loss_by_age(partition, config, minute), _loss_by_size(partition, config, hour)]
    return [loss for loss in found if loss is not None]


def _loss_by_age(partition: PartitionLag, config: Config, pasts: Pasts) -> _Loss | None:
    kept_ms = _number(config, "retention.ms")
    if kept_ms is None or partition.oldest_ms is None:
        return None
    seconds = max(0.0, round((partition.oldest_ms + kept_ms) / 1000 - time(), 3))
    is_near = seconds <= min(NEAR_SECONDS, kept_ms / 1000 * NEAR_PART)
    return _Loss(in_seconds=seconds, is_near=is_near and not _came_late(partition, pasts))


def _came_late(partition: PartitionLag, pasts: Pasts) -> bool:
    """Whether it was written after somebody looked, with a timestamp from before: its segment is mostly younger."""
    past, age = pasts.get(partition.place), partition.time_lag_seconds
    if past is None or age is None or partition.position is None:
        return False
    return partition.position >= past.end and age > past.seconds


def _loss_by_size(partition: PartitionLag, config: Config, pasts: Pasts) -> _Loss | None:
    """Where the log is full, its start moves as fast as messages come."""
    past, first, position, end = pasts.get(partition.place), partition.first, partition.position, partition.end
    if _number(config, "retention.bytes") is None or past is None:
        return None
    if first is None or position is None or end is None or first <= past.first:
        return None
    seconds = round((position - first) * past.seconds / (first - past.first), 3)
    is_old = position - first < (end - first) * OLDER_PART
    return _Loss(in_seconds=seconds, is_near=is_old and seconds < NEAR_SECONDS_BY_SIZE)


def _text(config: Config, name: str) -> str:
    found = config.get(name)
    return (found.value if found is not None else None) or ""


def _number(config: Config, name: str) -> int | None:
    """None where it isn't known, and where there is no limit."""
    text = _text(config, name)
    return int(text) if text.isascii() and text.isdigit() else None


def _pasts(groups: Collection[str], *, is_near: bool) -> dict[str, Pasts]:
    """Samples by which to tell how fast it goes: a near one for each group, a distant one for its log's start."""
    (youngest, oldest), now = (MINUTE if is_near else HOUR), timezone.now()
    seen = LagSample.objects.filter(at__lte=now - youngest, at__gte=now - oldest, positions__isnull=False)
    try:
        if not groups or not has_table(router.db_for_read(LagSample), LagSample):
            return {}
        samples = list(one_of_each(seen, groups, by="-at" if is_near else "at"))
    except DatabaseLayerError:
        return {}
    return {sample.group: _past_of(sample, (now - sample.at).total_seconds()) for sample in samples}


def _past_of(sample: LagSample, seconds: float) -> Pasts:
    return {
        (topic, int(number)): _Past(first=first, position=position, end=end, seconds=seconds)
        for topic, partitions in (sample.positions or {}).items()
        for number, (first, position, end) in partitions.items()
    }

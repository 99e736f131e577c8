"""When a group will have caught up, and when retention reaches what it hasn't handled yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import time

from django.db import Error as DatabaseLayerError
from django.db import router
from django.utils import timezone

from ...client.metadata.topic_configs import Config, TopicConfigs
from ...conf.settings import Settings
from ...errors import BrokerError
from ...models import LagSample
from ...summaries import escaped, shortened, text_of
from ...tables import has_table
from ..topics.reading import untold
from .lag import GroupLag, consumers_of
from .looking import PartitionLag

MINUTE = timedelta(seconds=60), timedelta(seconds=180)
"""How old the sample may be by which it is told what was done in the last minute: the youngest of these."""
HOUR = timedelta(seconds=60), timedelta(hours=1)
"""The log's start moves by whole segments: the oldest of these."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """Seconds from now; None where nobody can tell, or it won't be."""

    eta_seconds: float | None
    loss_in_seconds: float | None
    loss_unknown: tuple[str, ...] = ()
    """Topics of which it isn't known when messages that wait there are lost."""
    loss_unknown_why: str = ""

    @property
    def is_loss_due(self) -> bool:
        """Whether only the broker knows when: segments are deleted as wholes, and late."""
        return self.loss_in_seconds is not None and self.loss_in_seconds < 1


@dataclass(frozen=True, kw_only=True)
class _Past:
    """Where a partition and its group were some time ago."""

    first: int
    position: int
    end: int
    seconds: float


Pasts = Mapping[tuple[str, int], _Past]


def look_ahead(settings: Settings, lag: GroupLag) -> Outlook:
    """By what was seen of the group in the last minute and hour, and by the settings of its topics."""
    behind = [partition for partition in lag.partitions if partition.lag]
    if not behind:
        return Outlook(eta_seconds=None, loss_in_seconds=None)
    minute, hour = _pasts(lag.group, is_near=True), _pasts(lag.group, is_near=False)
    topics = {partition.topic for partition in behind}
    configs, troubles = _configs(settings, lag.group, topics)
    unknown = tuple(sorted(topics - configs.keys()))
    losses = [_loss(each, configs.get(each.topic, {}), hour) for each in behind]
    return Outlook(
        eta_seconds=_longest([_eta(each, minute) for each in behind]) if lag.total is not None else None,
        loss_in_seconds=min((loss for loss in losses if loss is not None), default=None),
        loss_unknown=unknown,
        loss_unknown_why="; ".join(troubles) if unknown else "",
    )


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


def _loss(partition: PartitionLag, config: Config, pasts: Pasts) -> float | None:
    if "delete" not in _text(config, "cleanup.policy"):
        return None
    found = [_loss_by_age(partition, config), _loss_by_size(partition, config, pasts)]
    return min((seconds for seconds in found if seconds is not None), default=None)


def _loss_by_age(partition: PartitionLag, config: Config) -> float | None:
    kept_ms = _number(config, "retention.ms")
    if kept_ms is None or partition.oldest_ms is None:
        return None
    return max(0.0, round((partition.oldest_ms + kept_ms) / 1000 - time(), 3))


def _loss_by_size(partition: PartitionLag, config: Config, pasts: Pasts) -> float | None:
    """Where the log is full, its start moves as fast as messages come."""
    past = pasts.get(partition.place)
    if _number(config, "retention.bytes") is None or past is None:
        return None
    if partition.first is None or partition.position is None or partition.first <= past.first:
        return None
    return round((partition.position - partition.first) * past.seconds / (partition.first - past.first), 3)


def _text(config: Config, name: str) -> str:
    found = config.get(name)
    return (found.value if found is not None else None) or ""


def _number(config: Config, name: str) -> int | None:
    """None where it isn't known, and where there is no limit."""
    text = _text(config, name)
    return int(text) if text.isascii() and text.isdigit() else None


def _configs(settings: Settings, group: str, topics: set[str]) -> tuple[dict[str, Config], list[str]]:
    """The settings of these topics as far as they can be told, and why they can't of others."""
    configs: dict[str, Config] = {}
    troubles: list[str] = []
    for connection in dict.fromkeys(consumer.connection for consumer in consumers_of(settings, group)):
        try:
            with TopicConfigs(connection) as asker:
                configs |= asker.ask(topics)
            trouble = untold(connection)
        except BrokerError as error:
            # How far the group is has just been told; when it is lost, is unknown.
            trouble = shortened(escaped(text_of(error)))
        troubles.append(trouble)
    return configs, list(dict.fromkeys(troubles))


def _pasts(group: str, *, is_near: bool) -> Pasts:
    """The sample by which to tell how fast it goes: a near one for the group, a distant one for its log's start."""
    (youngest, oldest), now = (MINUTE if is_near else HOUR), timezone.now()
    try:
        if not has_table(router.db_for_read(LagSample), LagSample):
            return {}
        rows = LagSample.objects.filter(
            group=group, at__lte=now - youngest, at__gte=now - oldest, positions__isnull=False
        )
        sample = rows.order_by("-at" if is_near else "at").first()
    except DatabaseLayerError:
        return {}
    if sample is None or sample.positions is None:
        return {}
    seconds = (now - sample.at).total_seconds()
    return {
        (topic, int(number)): _Past(first=first, position=position, end=end, seconds=seconds)
        for topic, partitions in sample.positions.items()
        for number, (first, position, end) in partitions.items()
    }

"""What was deleted before a group had handled it, by its offset and the first one that is left; and what soon will be.

Deleted is what retention takes, or somebody: how many messages lay there nobody can tell any more. Where compaction
went over them, or some were control records of transactions, they were fewer than offsets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from ...models import LagSample
from .history import one_of_each
from .looking import PartitionLag

Positions = Mapping[str, Mapping[str, tuple[int, int, int]]]
SEEN_WITHIN = timedelta(minutes=2)
"""What was seen before is not how it is."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """In one partition: from the offset that the group has committed to the first that is left."""

    topic: str
    partition: int
    committed: int
    first: int

    @property
    def count(self) -> int:
        """How many messages at most."""
        return self.first - self.committed


def losses_among(partitions: Iterable[PartitionLag]) -> tuple[Loss, ...]:
    """Of a group that was just looked at."""
    return tuple(
        Loss(topic=each.topic, partition=each.partition, committed=each.committed, first=each.first)
        for each in partitions
        if each.committed is not None and each.first is not None and each.lost
    )


@dataclass(frozen=True, kw_only=True)
class Sight:
    """A group as somebody has lately seen it."""

    lag: int | None
    positions: Positions
    near_loss_in_seconds: float | None
    """From now on; None where retention takes nothing soon that wasn't handled, and where that isn't known."""

    @property
    def losses(self) -> tuple[Loss, ...]:
        return tuple(_losses(self.positions))

    @property
    def lost_by_topic(self) -> dict[str, int]:
        """How many messages at most; a topic of which that isn't known isn't there."""
        # Where a partition is unknown, nobody can say of any topic that it has lost none.
        counts = Counter(dict.fromkeys(self.positions, 0) if self.lag is not None else {})
        for loss in self.losses:
            counts[loss.topic] += loss.count
        return dict(counts)


def last_sights(groups: Collection[str]) -> dict[str, Sight]:
    """With one query; a group at which nobody looked isn't there."""
    now = timezone.now()
    seen = LagSample.objects.filter(positions__isnull=False, at__gte=now - SEEN_WITHIN)
    samples = one_of_each(seen, groups, by="-at")
    return {sample.group: _sight(sample, (now - sample.at).total_seconds()) for sample in samples}


def _sight(sample: LagSample, age_seconds: float) -> Sight:
    loss = sample.loss_in_seconds
    return Sight(
        lag=sample.lag,
        positions=sample.positions or {},
        near_loss_in_seconds=None if loss is None else max(0.0, loss - age_seconds),
    )


def _losses(positions: Positions) -> Iterator[Loss]:
    for topic, partitions in sorted(positions.items()):
        for number, (first, position, _end) in partitions.items():
            if position < first:
                yield Loss(topic=topic, partition=int(number), committed=position, first=first)

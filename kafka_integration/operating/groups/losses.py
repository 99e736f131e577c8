"""What was deleted before a group had handled it, by its offset and the first one that is left.

Deleted is what retention takes, or somebody: how many messages lay there nobody can tell any more. Where compaction
went over them, or some were control records of transactions, they were fewer than offsets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from ...models import LagSample
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


def last_losses(groups: Collection[str]) -> dict[str, tuple[Loss, ...]]:
    """Of groups as somebody has lately seen them, with one query; none where nobody looked."""
    return {group: tuple(_losses(positions)) for group, _lag, positions in _seen(groups)}


def lost_by_topic(groups: Collection[str]) -> dict[tuple[str, str], int]:
    """How many messages at most, by group and topic, as somebody has lately seen them; what isn't known isn't there."""
    counts: Counter[tuple[str, str]] = Counter()
    for group, lag, positions in _seen(groups):
        # Where a partition is unknown, nobody can say of any topic that it has lost none.
        if lag is not None:
            counts.update({(group, topic): 0 for topic in positions})
        for loss in _losses(positions):
            counts[group, loss.topic] += loss.count
    return dict(counts)


def _seen(groups: Collection[str]) -> Iterator[tuple[str, int | None, Positions]]:
    """Each group with its lag, and where its partitions began, were and ended."""
    seen = LagSample.objects.filter(positions__isnull=False, at__gte=timezone.now() - SEEN_WITHIN)
    latest = seen.filter(group=OuterRef("group")).order_by("-at").values("at")[:1]
    rows = seen.filter(group__in=groups, at=Subquery(latest)).values_list("group", "lag", "positions")
    return ((group, lag, positions) for group, lag, positions in rows if positions is not None)


def _losses(positions: Positions) -> Iterator[Loss]:
    for topic, partitions in sorted(positions.items()):
        for number, (first, position, _end) in partitions.items():
            if position < first:
                yield Loss(topic=topic, partition=int(number), committed=position, first=first)

"""What was deleted before a group had handled it, by its offset and the first one that is left.

Deleted is what retention takes, or somebody: how many messages lay there nobody can tell any more. Where compaction
went over them, or some were control records of transactions, they were fewer than offsets.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from ...models import LagSample
from .looking import PartitionLag

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
    seen = LagSample.objects.filter(positions__isnull=False, at__gte=timezone.now() - SEEN_WITHIN)
    latest = seen.filter(group=OuterRef("group")).order_by("-at").values("at")[:1]
    rows = seen.filter(group__in=groups, at=Subquery(latest)).values_list("group", "positions")
    return {
        group: tuple(
            Loss(topic=topic, partition=int(number), committed=position, first=first)
            for topic, partitions in sorted(positions.items())
            for number, (first, position, _end) in partitions.items()
            if position < first
        )
        for group, positions in rows
        if positions is not None
    }

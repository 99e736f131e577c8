"""What search trends makes of the searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import F, Sum
from django.utils import timezone

LATELY = timedelta(minutes=10)


class TermCount(models.Model):
    """How often a term was searched for in one minute; a sum over minutes is "of late" or "in all"."""

    term = models.CharField(max_length=100)
    minute = models.DateTimeField(db_index=True)
    searches = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("term", "minute"), name="trends_one_count_per_minute"),)

    def __str__(self) -> str:
        return f"{self.term}: {self.searches}"


def count_search(term: str, at: datetime) -> None:
    """Adds one search of the term, however it was spelled, to its minute."""
    TermCount.objects.update_or_create(
        term=" ".join(term.casefold().split())[:100],
        minute=at.replace(second=0, microsecond=0),
        defaults={"searches": F("searches") + 1},
        create_defaults={"searches": 1},
    )


def top_terms(limit: int, *, lately: bool) -> Sequence[Mapping[str, Any]]:
    """Returns the most searched terms, of the last ten minutes or of all time: [{"term", "total"}, …]."""
    counts = _lately() if lately else TermCount.objects.all()
    return list(counts.values("term").annotate(total=Sum("searches")).order_by("-total", "term")[:limit])


def searches_lately() -> int:
    """Returns how many searches there were in the last ten minutes."""
    return _lately().aggregate(total=Sum("searches"))["total"] or 0


def _lately() -> models.QuerySet[TermCount]:
    return TermCount.objects.filter(minute__gte=timezone.now() - LATELY)

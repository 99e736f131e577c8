"""The picture of the live page: the site, its topics, the services, and how much went along each arrow of late."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min
from django.utils import timezone

from kafka_integration.conf import get_settings
from kafka_integration.models import OutboxMessage

from .arrivals import KEPT_ARRIVALS
from .models import Arrival

# From top to bottom, so that no two arrows cross.
TOPICS = ("search_term", "login", "banner_click")
SERVICES = ("search-trends", "active-users", "marketing")
WINDOW = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """From one box to another: ``start`` and ``end`` are the places of the two in their columns, from 1."""

    source: str
    target: str
    topic: str
    start: int
    end: int
    count: int

    @property
    def middle(self) -> int:
        """Where its number stands, in halves of a place."""
        return self.start + self.end

    @property
    def line(self) -> tuple[int, int]:
        """The heights at which it begins and ends, of a drawing that is 6 high."""
        return 2 * self.start - 1, 2 * self.end - 1


def collect_flow() -> dict[str, Any]:
    since = _begin_of_window()
    arrivals = Arrival.objects.filter(arrived_at__gte=since)
    counts = Counter({(row["topic"], row["service"]): row["n"] for row in _grouped(arrivals)})
    # What only one of the services has read yet has been in the topic all the same.
    events = dict(arrivals.order_by().values_list("topic").annotate(n=Count("event_id", distinct=True)))
    middle = 2
    return {
        "topics": TOPICS,
        "services": SERVICES,
        "published": [
            Arrow(source="site", target=topic, topic=topic, start=middle, end=place, count=events.get(topic, 0))
            for place, topic in enumerate(TOPICS, 1)
        ],
        "read": [
            Arrow(source=topic, target=service, topic=topic, start=start, end=end, count=counts[topic, service])
            for start, topic in enumerate(TOPICS, 1)
            for end, service in enumerate(SERVICES, 1)
            if topic in _topics_of(service)
        ],
        "waiting": OutboxMessage.objects.filter(topic__in=TOPICS).count(),
        "seconds": round((timezone.now() - since).total_seconds()),
    }


def _begin_of_window() -> datetime:
    """Ten minutes ago; later where arrivals are so many that none are kept from then."""
    begin = timezone.now() - WINDOW
    ends = Arrival.objects.aggregate(oldest=Min("pk"), newest=Max("pk"))
    if ends["newest"] is None or ends["newest"] - ends["oldest"] < KEPT_ARRIVALS:
        return begin
    oldest = (
        Arrival.objects.filter(pk__gt=ends["newest"] - KEPT_ARRIVALS)
        .order_by("pk")
        .values_list("arrived_at", flat=True)
        .first()
    )
    return begin if oldest is None else max(begin, oldest)


def _grouped(arrivals: Any) -> Any:
    return arrivals.order_by().values("topic", "service").annotate(n=Count("pk"))


def _topics_of(service: str) -> tuple[str, ...]:
    consumer = get_settings().consumers.get(service)
    return consumer.topics if consumer else ()

"""What the panels of the live page show, read from the services' tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Sum
from django.utils import timezone

from .flow import collect_flow
from .models import Arrival, Banner, BannerTally, LastAct
from .trends.models import LATELY, searches_lately, top_terms

ACTIVE_WITHIN = timedelta(minutes=5)
SERVICES = ("marketing", "search-trends", "active-users")
EVENTS_SHOWN = 24


@dataclass(kw_only=True)
class ShownEvent:
    """One event, and how long after the act each service that reads it had handled it."""

    key: str
    topic: str
    place: str
    user_id: int | None
    subject: str
    occurred_at: datetime
    visitor: str = "a guest"
    delays: dict[str, int] = field(default_factory=dict)

    @property
    def readers(self) -> list[tuple[str, int]]:
        """The services that have handled it, always in the same order, with their milliseconds."""
        return [(service, self.delays[service]) for service in SERVICES if service in self.delays]


def collect_marketing() -> dict[str, Any]:
    clicks = dict(BannerTally.objects.values_list("banner_id", "clicks"))
    rows = [_click_through(banner, clicks.get(banner.pk, 0)) for banner in Banner.objects.all()]
    rows.sort(key=lambda row: -row["clicks"])
    total, views = sum(clicks.values()), sum(row["banner"].views for row in rows)
    rate = 100 * total / views if views else None
    return {"rows": rows, "total": total, "views": views, "rate": rate, "most": max([1, *clicks.values()])}


def collect_trends() -> dict[str, Any]:
    lately = top_terms(6, lately=True)
    return {
        "lately": lately,
        "ever": top_terms(6, lately=False),
        "total": searches_lately(),
        "most": max([1, *(row["total"] for row in lately)]),
        "minutes": LATELY.seconds // 60,
    }


def collect_active() -> dict[str, Any]:
    active = LastAct.objects.filter(at__gte=timezone.now() - ACTIVE_WITHIN).order_by("-at")
    users = list(active[:8])
    names = usernames(user.user_id for user in users)
    total = active.count()
    return {
        "users": [{"act": user, "name": names[user.user_id]} for user in users],
        "total": total,
        "others": total - len(users),
        "acts": LastAct.objects.aggregate(acts=Sum("acts"))["acts"] or 0,
        "minutes": ACTIVE_WITHIN.seconds // 60,
    }


def collect_events() -> dict[str, Any]:
    events: dict[str, ShownEvent] = {}
    for arrival in Arrival.objects.order_by("-pk")[: EVENTS_SHOWN * len(SERVICES)]:
        event = events.setdefault(arrival.event_id, _shown(arrival))
        delay = arrival.arrived_at - arrival.occurred_at
        event.delays[arrival.service] = max(0, round(delay.total_seconds() * 1000))
    shown = sorted(events.values(), key=lambda event: event.occurred_at, reverse=True)[:EVENTS_SHOWN]
    _name(shown)
    return {"events": shown}


PANELS = {
    "flow": collect_flow,
    "events": collect_events,
    "marketing": collect_marketing,
    "trends": collect_trends,
    "active": collect_active,
}


def usernames(ids: Iterable[int]) -> dict[int, str]:
    """Returns the users' names. The events carry ids only: names stay in the site's database."""
    wanted = set(ids)
    known = dict(get_user_model()._default_manager.filter(pk__in=wanted).values_list("pk", "username"))
    return {pk: known.get(pk, f"user {pk}") for pk in wanted}


def _click_through(banner: Banner, clicks: int) -> dict[str, Any]:
    return {"banner": banner, "clicks": clicks, "rate": 100 * clicks / banner.views if banner.views else None}


def _shown(arrival: Arrival) -> ShownEvent:
    return ShownEvent(
        key=arrival.event_id,
        topic=arrival.topic,
        place=f"{arrival.topic}[{arrival.partition}]@{arrival.offset}",
        user_id=arrival.user_id,
        subject=arrival.subject,
        occurred_at=arrival.occurred_at,
    )


def _name(events: list[ShownEvent]) -> None:
    """Puts the names of visitors and banners where the events carry ids."""
    users = usernames(event.user_id for event in events if event.user_id)
    banners = {str(pk): title for pk, title in Banner.objects.values_list("pk", "title")}
    for event in events:
        if event.user_id:
            event.visitor = users[event.user_id]
        if event.topic == "banner_click":
            event.subject = banners.get(event.subject, f"banner {event.subject}")

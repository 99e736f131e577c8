"""Where an event has got to: a field to look for one, and the page of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.encoding import iri_to_uri
from django.utils.translation import gettext_lazy as _

from ...conf import get_settings
from ...dead_letters.operations import databases
from ...dead_letters.texts import legible
from ...errors import KafkaIntegrationError
from ...operating.events.groups import GroupStep
from ...operating.events.journey import Event, find_event
from ...summaries import escaped, summarize
from ..databases import DATABASE
from .page import Page, has_permission

SECONDS = 5.0
"""So long topics are read, and then groups are asked: whoever waits for a page has less patience than a script."""

STATES = {
    "in_outbox": _("in the outbox"),
    "refused": _("refused by Kafka"),
    "relayed": _("relayed"),
    "handled": _("handled"),
    "dead_letter": _("dead letter"),
    "replayed": _("handled by a replay"),
    "discarded": _("discarded"),
    "not_reached": _("not reached yet"),
    "unknown": _("unknown"),
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a page shows of one group."""

    group: str
    state: Any
    is_bad: bool
    letter_id: int | None
    letter_url: str


class EventsPage(Page):
    """A field for the id of an event."""

    name = "events"
    title = _("Events")
    template_name = "admin/kafka_integration/pages/event_search.html"
    live_template = "admin/kafka_integration/pages/events.html"
    refresh_seconds = None

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if event_id := self.parameter("id").strip():
            return HttpResponseRedirect(iri_to_uri(self.url_of("event", id=event_id)))
        return super().get(request, **kwargs)

    def context(self) -> dict[str, Any]:
        return {"search_url": self.url_of(EventsPage.name)}


class EventPage(Page):
    name = "event"
    title = _("Event")
    route = "<kafka_name:id>/"
    parent = EventsPage
    template_name = "admin/kafka_integration/pages/event_search.html"
    live_template = "admin/kafka_integration/pages/event.html"
    # Each look reads a topic.
    refresh_seconds = None

    def heading(self) -> Any:
        return _("Event %s") % escaped(self.kwargs["id"])

    def context(self) -> dict[str, Any]:
        try:
            found = find_event(get_settings(), self.kwargs["id"], seconds=SECONDS)
        except DatabaseError as error:
            raise KafkaIntegrationError(f"Outbox and dead letters can't be read now: {summarize(error)}") from error
        return {
            "search_url": self.url_of(EventsPage.name),
            "event_id": self.kwargs["id"],
            "events": [self._shown(event) for event in found.events],
            "unseen": [escaped(words) for words in found.unseen],
        }

    def _shown(self, event: Event) -> dict[str, Any]:
        sees_key = has_permission(self.request, "view_payloads")
        return {
            "topic": event.topic,
            "state": STATES[event.state],
            "is_refused": event.state == "refused",
            "place": None if event.offset is None else f"{event.topic}[{event.partition}]@{event.offset}",
            "at": event.at,
            "key": legible(event.key) if sees_key else None,
            "steps": [self._step(step) for step in event.groups],
        }

    def _step(self, step: GroupStep) -> Step:
        url = ""
        if step.dead_letter_id is not None and has_permission(self.request, "view_deadletter"):
            url = self.url_of("deadletter_change", object_id=step.dead_letter_id)
            if len(databases()) > 1:
                url = f"{url}?{urlencode({DATABASE: step.database})}"
        return Step(
            group=step.group,
            state=STATES[step.state],
            is_bad=step.state == "dead_letter",
            letter_id=step.dead_letter_id,
            letter_url=url,
        )

"""Where an event has got to: a field to look for one, and the page of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db import DEFAULT_DB_ALIAS, DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.encoding import iri_to_uri
from django.utils.translation import gettext_lazy as _

from ...conf import get_settings
from ...dead_letters.operations import databases
from ...dead_letters.texts import brief, legible
from ...errors import KafkaIntegrationError
from ...operating.events.groups import GroupStep
from ...operating.events.holding import has_in_hand, holder_of
from ...operating.events.journey import Event, find_event
from ...operating.events.texts import STATES
from ...operating.groups.owners import Owner, Processes, live_processes
from ...outbox.backlog import find_backlog
from ...outbox.databases import find_outboxes
from ...summaries import escaped, summarize
from ..databases import DATABASE
from ..links import has_permission
from .page import Page

SECONDS = 5.0
"""So long topics are read, and then groups are asked: whoever waits for a page has less patience than a script."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a page shows of one group."""

    group: str
    group_url: str
    state: Any
    is_bad: bool
    messages_before: int | None
    stuck: Owner | None
    """Who is stuck at it or before it, in its partition."""
    partition: dict[str, Any]
    """That partition."""
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
            events = [self._shown(event) for event in found.events]
        except DatabaseError as error:
            raise KafkaIntegrationError(f"Outbox and dead letters can't be read now: {summarize(error)}") from error
        return {
            "search_url": self.url_of(EventsPage.name),
            "event_id": self.kwargs["id"],
            "events": events,
            "processes_url": self.url_of("processes"),
            "unseen": [escaped(words) for words in found.unseen],
        }

    def _shown(self, event: Event) -> dict[str, Any]:
        sees_key = has_permission(self.request, "view_payloads")
        return {
            "topic": event.topic,
            "state": STATES[event.state],
            "is_refused": event.state == "refused",
            "refusal": brief(event.refusal),
            "row_url": self._row_url(event),
            "has_no_relay": event.state == "in_outbox" and not find_backlog(event.database or DEFAULT_DB_ALIAS).holder,
            "place": None if event.offset is None else f"{event.topic}[{event.partition}]@{event.offset}",
            "place_url": self._place_url(event),
            "at": event.at,
            "key": legible(event.key) if sees_key else None,
            "steps": [self._step(step) for step in event.groups],
        }

    def _row_url(self, event: Event) -> str:
        if event.row_id is None or not has_permission(self.request, "view_outboxmessage"):
            return ""
        url = self.url_of("outboxmessage_change", object_id=event.row_id)
        return _in_database(url, event.database, find_outboxes(get_settings()))

    def _place_url(self, event: Event) -> str:
        url = "" if event.offset is None else self.url_of("messages", topic=event.topic)
        return url and f"{url}?{urlencode({'partition': event.partition, 'start': event.offset})}"

    def _step(self, step: GroupStep) -> Step:
        url, stuck = "", holder_of(step, self._processes, get_settings().operations)
        is_in_hand = has_in_hand(stuck, step)
        if step.dead_letter_id is not None and has_permission(self.request, "view_deadletter"):
            url = _in_database(
                self.url_of("deadletter_change", object_id=step.dead_letter_id), step.database, databases()
            )
        topic, number = step.place or ("", None)
        return Step(
            group=step.group,
            group_url=self.url_of("group", group=step.group) if step.group in self._groups else "",
            state=STATES["in_hand" if is_in_hand else step.state],
            is_bad=step.state == "dead_letter",
            messages_before=None if is_in_hand else step.messages_before,
            stuck=stuck,
            partition={"topic": topic, "partition": number, "stuck_offset": stuck and stuck.stuck_offset},
            letter_id=step.dead_letter_id,
            letter_url=url,
        )

    @cached_property
    def _processes(self) -> Processes:
        return live_processes(get_settings().operations)

    @property
    def _groups(self) -> set[str]:
        """Those that have a page."""
        return {consumer.consumer_group for consumer in get_settings().consumers.values()}


def _in_database(url: str, alias: str | None, aliases: Sequence[str]) -> str:
    """The address, with the database where there are several."""
    return f"{url}?{urlencode({DATABASE: alias})}" if len(aliases) > 1 else url

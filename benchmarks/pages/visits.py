"""Every page of the operator and every list, as its links and its search ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.urls import reverse

from kafka_integration.models import DeadLetter, OutboxMessage

from .filling import EXCEPTIONS, RARE
from .sizes import EVENT

LETTERS, OUTBOX = "deadletter_changelist", "outboxmessage_changelist"
PAGE = 50
LAST_PAGE = "200"
"""A list has pages for its newest 10,000 rows."""


@dataclass(frozen=True, kw_only=True)
class Visit:
    """An address, with what it is called in the table."""

    name: str
    page: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    pressed: Callable[[], Mapping[str, Any]] | None = None
    """What a form on it sends; None for a page that is looked at."""

    @property
    def url(self) -> str:
        url = reverse(f"admin:kafka_integration_{self.page}", kwargs=self.arguments)
        # The list that a form stands on is asked for in its address.
        return f"{url}?{urlencode(self.asked)}" if self.asked and self.pressed is not None else url


def all_visits() -> list[Visit]:
    """Needs the rows that they ask for."""
    return [*_pages(), *_letters(), *_outbox()]


def _pages() -> Iterator[Visit]:
    group, topic = {"group": settings.ORDERS_GROUP}, {"topic": settings.ORDERS}
    yield Visit(name="overview", page="overview")
    yield Visit(name="processes", page="processes")
    yield Visit(name="groups", page="groups")
    yield Visit(name="group", page="group", arguments=group)
    yield Visit(name="group, last month", page="group", arguments=group, asked={"span": "month"})
    yield Visit(name="group, a plan", page="group", arguments=group, asked={"to": "earliest"})
    yield Visit(name="topics", page="topics")
    yield Visit(name="topic", page="topic", arguments=topic)
    yield Visit(name="messages", page="messages", arguments=topic)
    yield Visit(name="messages, one partition", page="messages", arguments=topic,
                asked={"partition": "3", "start": "earliest"})  # fmt: skip
    yield Visit(name="events", page="events")
    yield Visit(name="event, a dead letter", page="event", arguments={"id": RARE})
    yield Visit(name="event, of many groups", page="event", arguments={"id": EVENT})
    yield Visit(name="event, unknown", page="event", arguments={"id": "unknown"})


def _letters() -> Iterator[Visit]:
    letter = DeadLetter.objects.order_by("id")[500]
    asked = {
        "": {},
        ", last page": {"p": LAST_PAGE},
        ", all states": {"state": "all"},
        **{f", state {state}": {"state": state} for state in DeadLetter.State.values},
        ", a consumer": {"consumer": letter.consumer},
        ", a group": {"group": letter.group},
        ", a topic": {"topic": letter.topic},
        ", an exception": {"exception": EXCEPTIONS[0]},
        ", a kind": {"kind": letter.kind},
        **{f", a rare {name}": {name: RARE} for name in ("consumer", "group", "topic", "exception")},
        ", a rare kind": {"kind": DeadLetter.objects.get(topic=RARE).kind},
        ", a rare consumer in all states": {"consumer": RARE, "state": "all"},
        ", a search": {"q": "stock"},
        ", a search for an id": {"q": str(letter.pk)},
        ", a search for what is rare": {"q": RARE},
        ", a search for nothing": {"q": "nowhere"},
        **_sorted_by(DeadLetter),
    }
    for words, parameters in asked.items():
        yield Visit(name=f"dead letters{words}", page=LETTERS, asked=parameters)
    yield Visit(name="a dead letter", page="deadletter_change", arguments={"object_id": letter.pk})
    for name in ("replay", "discard", "purge"):
        pressed = _with_a_page(name, DeadLetter)
        yield Visit(name=f"dead letters, {name} a page", page=LETTERS, asked={"state": "all"}, pressed=pressed)


def _outbox() -> Iterator[Visit]:
    row = OutboxMessage.objects.order_by("id")[500]
    asked = {
        "": {},
        ", last page": {"p": LAST_PAGE},
        ", refused": {"refused_at__isempty": "0"},
        ", waiting": {"refused_at__isempty": "1"},
        ", a topic": {"topic": row.topic},
        ", a rare topic": {"topic": RARE},
        ", refused of a rare topic": {"topic": RARE, "refused_at__isempty": "0"},
        **_sorted_by(OutboxMessage),
    }
    for words, parameters in asked.items():
        yield Visit(name=f"outbox{words}", page=OUTBOX, asked=parameters)
    yield Visit(name="an outbox row", page="outboxmessage_change", arguments={"object_id": row.pk})
    for name in ("retry", "discard"):
        yield Visit(name=f"outbox, {name} a page", page=OUTBOX, pressed=_with_a_page(name, OutboxMessage))


def _with_a_page(action: str, model: type[Any]) -> Callable[[], Mapping[str, Any]]:
    """An action with the rows of a page, of other ones each time: the newest that it has something to do with."""
    rows = {
        "purge": {"settled_at__isnull": False},
        "retry": {"refused_at__isnull": False},
        "discard": {"settled_at__isnull": True} if model is DeadLetter else {},
        "replay": {"state": DeadLetter.State.PARKED},
    }[action]

    def send() -> Mapping[str, Any]:
        page = model.objects.filter(**rows).order_by("-pk").values_list("pk", flat=True)[:PAGE]
        return {"action": f"{action}_selected", ACTION_CHECKBOX_NAME: [*page]}

    return send


def _sorted_by(model: type[Any]) -> dict[str, dict[str, str]]:
    """By each column whose heading is a link, up and down."""
    shown = admin.site.get_model_admin(model)
    found = {}
    for number, name in enumerate(shown.list_display, 1):
        column = getattr(shown, str(name), None)
        if shown.sortable_by is not None and name not in shown.sortable_by:
            continue
        if column is None or getattr(column, "admin_order_field", None):
            found |= {f", by {name}, {words}": {"o": f"{sign}{number}"} for words, sign in (("up", ""), ("down", "-"))}
    return found

"""Where databases hold an event: in an outbox, or as dead letters. Looks at no more rows than a page has time for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.db import connections
from django.db.models import Model, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ...conf.settings import Settings
from ...dead_letters.operations import databases as dead_letter_databases
from ...dead_letters.parking import MAX_EVENT_ID
from ...headers import read_headers
from ...models import DeadLetter, OutboxMessage
from ...outbox.databases import find_outboxes
from ...tables import has_table

MOST_ROWS = 50_000
MOST_UNNAMED = 2_000
MOST_FOUND = 100

# Of which there were more rows than are looked at.
OUTBOX = _("the outbox of database %(alias)s, but for its newest %(most)d rows")
LETTERS = _("the dead letters of database %(alias)s, but for its newest %(most)d rows")
UNNAMED_LETTERS = _("the dead letters of an earlier version in database %(alias)s, but for its newest %(most)d rows")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What was found, and in words what was not looked at."""

    waiting: list[OutboxMessage]
    letters: list[DeadLetter]
    unseen: list[str]
    outboxes: list[str]
    """The databases whose outbox was looked at."""
    letter_databases: list[str]

    @property
    def topics(self) -> list[str]:
        return sorted({*(row.topic for row in self.waiting), *(letter.topic for letter in self.letters)})

    def of_topic(self, topic: str | None) -> Rows:
        """Those of one topic, unless it is None."""
        if topic is None:
            return self
        return replace(
            self,
            waiting=[row for row in self.waiting if row.topic == topic],
            letters=[letter for letter in self.letters if letter.topic == topic],
        )


def rows_of_event(settings: Settings, event_id: str) -> Rows:
    """The rows of one event."""
    waiting: list[OutboxMessage] = []
    letters: list[DeadLetter] = []
    unseen: list[str] = []
    outboxes, databases = _looked_in(settings)
    for alias in outboxes:
        rows = OutboxMessage.objects.using(alias)
        waiting += _of_event(_newest(rows, MOST_ROWS, unseen, OUTBOX), event_id)
    for alias in databases:
        rows_of_letters = DeadLetter.objects.using(alias).defer("value", "traceback", "reason")
        letters += _named(rows_of_letters.filter(event_id=event_id[:MAX_EVENT_ID]), event_id)
        # Of a version that didn't note whose event one is.
        unnamed = DeadLetter.objects.using(alias).filter(event_id=None)
        unnamed = _newest(unnamed, MOST_UNNAMED, unseen, UNNAMED_LETTERS)
        letters += _of_event(unnamed.defer("value", "traceback", "reason"), event_id)
    return Rows(waiting=waiting, letters=letters, unseen=unseen, outboxes=outboxes, letter_databases=databases)


def rows_of_key(settings: Settings, topic: str, key: bytes) -> Rows:
    """The newest rows of a key."""
    waiting: list[OutboxMessage] = []
    letters: list[DeadLetter] = []
    unseen: list[str] = []
    outboxes, databases = _looked_in(settings)
    wanted = Q(topic=topic, key=key)
    for alias in outboxes:
        rows = _newest(OutboxMessage.objects.using(alias), MOST_ROWS, unseen, OUTBOX)
        waiting += rows.filter(wanted).order_by("-pk").defer("value")[:MOST_FOUND]
    for alias in databases:
        of_alias = _newest(DeadLetter.objects.using(alias), MOST_ROWS, unseen, LETTERS)
        letters += of_alias.filter(wanted).order_by("-pk").defer("value", "traceback", "reason")[:MOST_FOUND]
    return Rows(waiting=waiting, letters=letters, unseen=unseen, outboxes=outboxes, letter_databases=databases)


def letters_at(topic: str, partition: int, offsets: Iterable[int], groups: Iterable[str]) -> Iterator[DeadLetter]:
    """The dead letters of these groups from these places, of whatever topic of that name."""
    for alias in _with_table(dead_letter_databases(), DeadLetter):
        rows = DeadLetter.objects.using(alias).filter(
            group__in=list(groups), topic=topic, partition=partition, offset__in=list(offsets)
        )
        yield from rows.defer("value", "traceback", "reason")


def event_id_of(row: OutboxMessage | DeadLetter) -> str | None:
    """The id of the event that a row is of; None where it is of none, or its headers aren't ours."""
    for name, value in reversed(read_headers(row.headers) or []):
        if name == "ce_id" and value:
            return value.decode(errors="backslashreplace")
    return None


def _looked_in(settings: Settings) -> tuple[list[str], list[str]]:
    """The databases that have an outbox, and those that have dead letters."""
    return _with_table(find_outboxes(settings), OutboxMessage), _with_table(dead_letter_databases(), DeadLetter)


def _with_table(aliases: Iterable[str], model: type[Model]) -> list[str]:
    return [alias for alias in aliases if has_table(alias, model)]


def _newest(rows: QuerySet[Any], most: int, unseen: list[str], text: Promise) -> QuerySet[Any]:
    newest = rows.order_by("-pk").values_list("pk", flat=True)
    if (beyond := newest[most:].first()) is None:
        return rows
    unseen.append(str(text) % {"alias": rows.db, "most": most})
    # By where they begin: if they were a list of ids, PostgreSQL would read the whole table besides.
    return rows.filter(pk__gt=beyond)


def _of_event(rows: QuerySet[Any], event_id: str) -> list[Any]:
    # As the database writes the JSON of a text.
    text = json.dumps(event_id, ensure_ascii=connections[rows.db].vendor == "sqlite")
    holding = rows.annotate(text=Cast("headers", TextField())).filter(text__contains=text).order_by("pk")
    return _named(holding, event_id)


def _named(rows: QuerySet[Any], event_id: str) -> list[Any]:
    return [row for row in rows[:MOST_FOUND] if event_id_of(row) == event_id]

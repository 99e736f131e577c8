"""What the list of dead letters can be narrowed to; each is said in the words of an index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..cells import NONE
from ..dead_letters import operations as dead_letters
from ..dead_letters.texts import brief
from ..models import DeadLetter
from .bounded import RecentValuesFilter
from .databases import DatabaseChoice, DatabaseFilter

databases = DatabaseChoice(dead_letters.databases)

NARROWING = ("kind", "consumer", "group", "topic", "exception")
"""What leaves few of them, mostly."""


class DeadLetterDatabaseFilter(DatabaseFilter):
    choice = databases


class KindFilter(RecentValuesFilter):
    """Kinds by what they are, and not by their names alone."""

    also_read = ("exception", "location", "consumer")

    def values_in(self, rows: Sequence[Mapping[str, Any]]) -> Iterable[Any]:
        self._labels = {row["kind"]: label_of(*(row[name] for name in self.also_read)) for row in rows}
        return self._labels

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> Any:
        state = request.GET.get(StateFilter.parameter_name) or dead_letters.State.PARKED
        if self.lookup_val and state in dead_letters.UNSETTLED:
            # In the words of the index of kinds, which has those that wait.
            queryset = queryset.filter(settled_at=None)
        return super().queryset(request, queryset)

    def choices(self, changelist: ChangeList) -> Any:
        for choice in super().choices(changelist):
            yield {**choice, "display": self._labels.get(choice["display"], choice["display"])}


class StateFilter(SimpleListFilter):
    """What waits for somebody, unless another state is asked for."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [*DeadLetter.State.choices, ("all", _("All"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        state = self.value()
        if state == "all":
            return queryset
        if not state:
            return queryset.filter(state__in=dead_letters.UNSETTLED)
        if state == DeadLetter.State.PARKED and any(request.GET.get(name) for name in NARROWING):
            # By what it isn't: by what it is SQLite would go, and read most of the table for a few.
            return queryset.exclude(state__in=set(DeadLetter.State) - {state})
        # In the words of the index of those that wait, or of the others.
        return queryset.filter(state=state, settled_at__isnull=state in dead_letters.UNSETTLED)

    def choices(self, changelist: ChangeList) -> Any:
        waiting, *others = super().choices(changelist)
        yield {**waiting, "display": _("Waiting for somebody")}
        yield from others


def label_of(exception: str, location: str | None, consumer: str) -> str:
    """A kind as people know it."""
    return f"{exception.rpartition('.')[2]} · {brief(location or '') or NONE} · {consumer}"

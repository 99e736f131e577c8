"""The list of dead letters: its filters, its pages, and the database it is about."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..models import DeadLetter
from ..operating import dead_letters

DATABASE = "database"


def database_of(request: HttpRequest) -> str:
    """The alias that a request is about: the first that has dead letters, unless another one is asked for."""
    known = dead_letters.databases()
    asked = request.GET.get(DATABASE)
    return asked if asked in known else known[0]


def url_in_database(url: str, request: HttpRequest) -> str:
    """The URL for the same database as the request's; without a word about it where there is only one."""
    if len(dead_letters.databases()) == 1:
        return url
    return f"{url}?{urlencode({DATABASE: database_of(request)})}"


class DeadLetterList(ChangeList):
    """A list whose page numbers are clamped, and whose links stay in their database."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self._request = request
        super().__init__(request, *args, **kwargs)

    def get_results(self, request: HttpRequest) -> None:
        paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)
        self.page_num = max(1, min(self.page_num, paginator.num_pages))
        super().get_results(request)

    def url_for_result(self, result: Model) -> str:
        return url_in_database(super().url_for_result(result), self._request)


class StateFilter(SimpleListFilter):
    """What waits for somebody, unless another state is asked for."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [*DeadLetter.State.choices, ("all", _("All"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        if self.value() == "all":
            return queryset
        return queryset.filter(state__in=[self.value()] if self.value() else dead_letters.UNSETTLED)

    def choices(self, changelist: ChangeList) -> Any:
        waiting, *others = super().choices(changelist)
        yield {**waiting, "display": _("Waiting for somebody")}
        yield from others


class DatabaseFilter(SimpleListFilter):
    """Which database's; shown only where consumers use several."""

    title = _("database")
    parameter_name = DATABASE

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        known = dead_letters.databases()
        return [(alias, alias) for alias in known] if len(known) > 1 else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        return queryset

    def choices(self, changelist: ChangeList) -> Any:
        known = dead_letters.databases()
        for choice in list(super().choices(changelist))[1:]:
            is_first = choice["display"] == known[0] and self.value() not in known
            yield {**choice, "selected": choice["selected"] or is_first}

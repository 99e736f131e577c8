"""Which of several databases a page of the admin is about: by a parameter in its address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..local_times import show_locally
from ..tables import has_table

DATABASE = "database"
LONGEST_PARAMETER = 1000
"""More characters than any link of these pages has in one of its parameters."""


class DatabaseChoice:
    """One of the aliases that ``known()`` gives: the first, unless the request asks for another."""

    def __init__(self, known: Callable[[], Sequence[str]]) -> None:
        self.known = known

    def of(self, request: HttpRequest) -> str:
        known = self.known()
        asked = request.GET.get(DATABASE, "")
        return asked if asked in known else known[0]

    def url(self, url: str, request: HttpRequest) -> str:
        """The URL for the same database as the request's; without a word about it where there is only one."""
        return f"{url}?{urlencode({DATABASE: self.of(request)})}" if len(self.known()) > 1 else url

    def has_table(self, request: HttpRequest, model: type[Model]) -> bool:
        """Whether the database that the request is about was migrated."""
        return has_table(self.of(request), model)


class DatabaseFilter(SimpleListFilter):
    """Shown only where there are several. Subclasses name their choice."""

    title = _("database")
    parameter_name = DATABASE
    choice: DatabaseChoice

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        known = self.choice.known()
        return [(alias, alias) for alias in known] if len(known) > 1 else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        return queryset

    def choices(self, changelist: ChangeList) -> Any:
        known = self.choice.known()
        for choice in list(super().choices(changelist))[1:]:
            is_first = choice["display"] == known[0] and self.value() not in known
            yield {**choice, "selected": choice["selected"] or is_first}


class ClampedList(ChangeList):
    """A list that knows its page when there are fewer than asked for, and whose links stay in their database.

    What no link of it could ask for is a bad request: a database has its limits too.
    """

    choice: DatabaseChoice
    large_fields: Sequence[str] = ("key", "value", "headers")
    """What a list doesn't show, and a page of it has no memory for."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self._request = request
        for name, values in request.GET.lists():
            # PostgreSQL can't compare anything to it, and Django only looks after it in the search.
            if any("\0" in value for value in values):
                raise IncorrectLookupParameters
            if len(values) > 1 or len(values[0]) > LONGEST_PARAMETER:
                raise BadRequest(f"the parameter {name:.80} is there more than once, or too long")
        super().__init__(request, *args, **kwargs)

    def get_queryset(self, *args: Any, **kwargs: Any) -> QuerySet[Model]:
        return super().get_queryset(*args, **kwargs).defer(*self.large_fields)

    def get_ordering_field(self, field_name: Any) -> Any:
        # Django's own looks at it for headings only, and would sort a million rows for whoever writes an address.
        is_sortable = self.sortable_by is None or field_name in self.sortable_by
        return super().get_ordering_field(field_name) if is_sortable else None

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # For a list without pages Django would go through the table once more.
        is_whole = not self.multi_page or (self.show_all and self.can_show_all)
        rows: Any = self.paginator.object_list if is_whole else self.result_list
        self.result_list = [show_locally(row) for row in rows]
        self.page_num = self.paginator.validate_number(self.page_num)

    def url_for_result(self, result: Model) -> str:
        return self.choice.url(super().url_for_result(result), self._request)

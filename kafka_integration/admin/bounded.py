"""Lists of tables that may be large: what a page counts and offers costs the same however many rows there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from django.contrib.admin import AllValuesFieldListFilter
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import PageNotAnInteger, Paginator
from django.db.models import Field, QuerySet
from django.http import HttpRequest

if TYPE_CHECKING:
    RowPaginator = Paginator[Any]
else:
    # At run time it can't be subscripted.
    RowPaginator = Paginator

MOST_COUNTED = 10_000
MOST_LOOKED_AT = 2_000
MOST_KNOWN = 500
"""Of so many rows a list keeps the ids."""
ROWS_AT_ONCE = 1_000


class AtLeast(int):
    """A number that is shown as one that there may be more of."""

    def __str__(self) -> str:
        return f"{int(self)}+"


class BoundedPaginator(RowPaginator):
    """Counts up to ``MOST_COUNTED`` rows, and has pages for so many. Page numbers are clamped.

    To find few rows among a million is what takes its time: they are looked for once, and then known by their ids.
    """

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]  # the admin's own
        # In any order: in that of the list an index that has few of them would not be gone by.
        found = [*rows.order_by().values_list("pk", flat=True)[: MOST_COUNTED + 1]]
        if len(found) <= MOST_KNOWN:
            self.object_list = rows.filter(pk__in=found)
        return len(found) if len(found) <= MOST_COUNTED else AtLeast(MOST_COUNTED)

    def validate_number(self, number: Any) -> int:
        try:
            wanted = int(number)
        except (TypeError, ValueError) as error:
            raise PageNotAnInteger("a page has a number") from error
        return max(1, min(wanted, self.num_pages))


class Pages:
    """The ids of many rows, a page at a time; of those that there are when it begins."""

    def __init__(self, rows: QuerySet[Any], *, newest_first: bool = False) -> None:
        self._left = rows.order_by("-pk" if newest_first else "pk")
        self._is_newest_first = newest_first
        self._has_begun = False

    def next(self) -> list[int]:
        """The next page; empty at the end."""
        page = list(self._left.values_list("pk", flat=True)[:ROWS_AT_ONCE])
        if len(page) < ROWS_AT_ONCE:
            self._left = self._left.none()
        elif self._is_newest_first:
            # By the last id and not by a number of rows: those of a page may no longer be among them.
            self._left = self._left.filter(pk__lt=page[-1])
        else:
            self._left = self._until_now().filter(pk__gt=page[-1])
        return page

    def are_left(self) -> bool:
        return self._left.exists()

    def _until_now(self) -> QuerySet[Any]:
        """What is left, without the rows that come after the first page was read."""
        if self._has_begun:
            return self._left
        self._has_begun = True
        newest = self._left.reverse().values_list("pk", flat=True).first()
        return self._left.none() if newest is None else self._left.filter(pk__lte=newest)


class NewestRows:
    """As many rows of a list as a page has time to look at for its filters, read once for all of them."""

    def __init__(self, model_admin: Any, request: HttpRequest) -> None:
        offered = [offer for offer in model_admin.list_filter if isinstance(offer, tuple)]
        found = [(name, kind.also_read) for name, kind in offered if issubclass(kind, RecentValuesFilter)]
        names = {*(name for name, _ in found), *(also for _, others in found for also in others)}
        newest = model_admin.get_queryset(request).order_by("-pk")
        self.rows: Sequence[Mapping[str, Any]] = list(newest.values(*sorted(names))[:MOST_LOOKED_AT])

    @classmethod
    def of(cls, model_admin: Any, request: HttpRequest) -> NewestRows:
        """Those of this request's list."""
        if request not in _newest_rows:
            _newest_rows[request] = cls(model_admin, request)
        return _newest_rows[request]


_newest_rows: WeakKeyDictionary[HttpRequest, NewestRows] = WeakKeyDictionary()


class RecentValuesFilter(AllValuesFieldListFilter):
    """Offers the values of the newest rows, and the chosen one; any other works too, in the address."""

    also_read: Sequence[str] = ()
    """What else it needs of these rows."""

    def __init__(
        self, field: Field[Any, Any], request: HttpRequest, params: Any, model: Any, model_admin: Any, field_path: str
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        self._newest = partial(NewestRows.of, model_admin, request)

    def choices(self, changelist: ChangeList) -> Any:
        # Not sooner: an action asks for the list's rows by its filters, and shows none of them.
        chosen: Iterable[str] = self.lookup_val or ()
        offered = {*self.values_in(self._newest().rows), *chosen}
        self.lookup_choices = sorted(offered - {None})  # type: ignore[assignment]  # any iterable
        return super().choices(changelist)

    def values_in(self, rows: Sequence[Mapping[str, Any]]) -> Iterable[Any]:
        """What it offers of these rows."""
        return {row[self.field.name] for row in rows}

    @staticmethod
    def parameter_of(field: str) -> str:
        """What an address asks it with."""
        return field

    def expected_parameters(self) -> list[str | None]:
        # Django's takes `…__isnull` as well, which no link of it leads to.
        return [self.lookup_kwarg]

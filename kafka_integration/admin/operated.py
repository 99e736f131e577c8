"""Pages of rows to look at and to operate on, never to edit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from ..local_times import show_locally
from ..operating.typed import is_number
from .bounded import BoundedPaginator, Pages
from .databases import LONGEST_PARAMETER, ClampedList, DatabaseChoice
from .links import Link, links_to
from .pages.page import listed_among
from .pages.registration import pages_of
from .payloads import headers_table, payload_block
from .protection import protected
from .searching import search

if TYPE_CHECKING:
    Admin = admin.ModelAdmin[Any]
else:
    # At run time it can't be subscripted.
    Admin = admin.ModelAdmin

MAX_SELECTED = 1000
MOST_WORDS = 20
SECONDS_FOR_A_REQUEST = 8.0
"""Well below the time after which servers give a request up, gunicorn's 30 seconds for one."""


class OperatedAdmin(Admin):
    """Each operation is a button and an action, by POST only, and asks for a permission of its own.

    An operation named "retry" needs the permission ``retry_<model>`` and the action ``retry_selected``. The model has
    ``key``, ``value`` and ``headers``, which are shown to those with the permission ``view_payload_<model>``.
    """

    operations: Mapping[str, Any]
    """The operations' names and their labels."""
    logged: Mapping[str, tuple[int, Any]]
    """Their flags and texts in the admin's log."""
    named_by: Sequence[str]
    """The fields that the log names a row by."""
    irrevocable: Mapping[str, Any] = {}
    """What each of those does that can't be undone: its button asks first, and says it."""
    newest_first = False
    """In which order an operation goes through its rows."""
    databases: DatabaseChoice
    list_class: type[ClampedList]
    rows_may_vanish = False
    """True where rows go by themselves: one that was selected and is gone is then no bad request."""
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    change_form_template = "admin/kafka_integration/operated.html"

    class Media:
        css = {"all": ("kafka_integration/pages.css", "kafka_integration/admin.css")}

    def offered(self, row: Any) -> Sequence[str]:
        """The operations that make sense for a row in its state."""
        raise NotImplementedError

    def change(self, name: str, ids: Sequence[int], database: str) -> Collection[int]:
        """Carry one out on these rows; the ids of those that it changed."""
        raise NotImplementedError

    def done_text(self, name: str, count: int) -> str:
        """What the user is told of those that it changed."""
        raise NotImplementedError

    def left_text(self, name: str, count: int) -> str:
        """What the user is told of those that it left alone."""
        raise NotImplementedError

    def url_after(self, name: str, row: Any) -> str:
        """Where an operation's button leads to."""
        return self._reverse("change", row.pk)

    def told_of(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What else its page's template shows."""
        return {}

    # What one sees

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [field for _, options in self.get_fieldsets(request, obj) for field in options["fields"]]

    def payload_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return ("shown_key", "shown_value", "shown_headers") if self._has(request, "view_payload") else ("no_payload",)

    @admin.display(description=_("key"))
    def shown_key(self, row: Any) -> str:
        return payload_block(row.key)

    @admin.display(description=_("value"))
    def shown_value(self, row: Any) -> str:
        return payload_block(row.value)

    @admin.display(description=_("headers"))
    def shown_headers(self, row: Any) -> str:
        return headers_table(row.headers)

    @admin.display(description=_("key, value and headers"))
    def no_payload(self, row: Any) -> str:
        rows = self.model._meta.verbose_name_plural
        return str(_("You need the permission “Can see keys, values and headers of %s”.") % rows)

    # What one may do

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def may(self, request: HttpRequest, name: str) -> bool:
        return self.has_view_permission(request) and self._has(request, name)

    def _has(self, request: HttpRequest, codename: str) -> bool:
        return bool(request.user.has_perm(f"{self.opts.app_label}.{codename}_{self.opts.model_name}"))

    # Operating

    def operate(self, request: HttpRequest, name: str, rows: QuerySet[Any]) -> None:
        """Carry an operation out page by page, each in a transaction of its own: what is done stays done.

        It ends with the time of a request, however many rows there are, and says that there are more.
        """
        pages = Pages(rows, newest_first=self.newest_first)
        deadline = monotonic() + SECONDS_FOR_A_REQUEST
        changed = left_alone = 0
        while ids := pages.next():
            found, done = self._operate_on_page(request, name, ids)
            changed += done
            left_alone += found - done
            if monotonic() > deadline and pages.are_left():
                text = _("There are more: this was as much as fits into one request. Do it again for the rest.")
                self.message_user(request, text, messages.WARNING)
                break
        if changed:
            self.message_user(request, self.done_text(name, changed), messages.SUCCESS)
        if left_alone:
            self.message_user(request, self.left_text(name, left_alone), messages.WARNING)

    def _operate_on_page(self, request: HttpRequest, name: str, ids: Sequence[int]) -> tuple[int, int]:
        """How many rows were found, and how many of them were changed."""
        database = self.databases.of(request)
        flag, text = self.logged[name]
        # One transaction, where both are in one database: nothing is done that the log doesn't show.
        with transaction.atomic(using=database):
            found = self.model._default_manager.using(database).only("pk", *self.named_by).in_bulk(ids)
            changed = [found[id] for id in self.change(name, ids, database)]
            assert request.user.pk is not None  # nobody anonymous gets this far
            LogEntry.objects.log_actions(request.user.pk, changed, flag, str(text))
        return len(found), len(changed)

    # The list

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).using(self.databases.of(request))
        return rows if self.databases.has_table(request, self.model) else rows.none()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """What a filter offers, and nothing else: how many rows are left is an answer too, payloads included."""
        offered: Iterable[Any] = self.list_filter
        return lookup in map(_parameter_of, offered)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        # Each word is a condition for each field and its names, and a database takes only so many.
        if "\0" in search_term or len(search_term) > LONGEST_PARAMETER or len(search_term.split()) > MOST_WORDS:
            raise BadRequest(f"a search takes {MOST_WORDS} words, and no NUL characters")
        return search(queryset, search_term, self.search_fields), False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        return row if row is None else show_locally(row)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ClampedList]:
        return self.list_class

    # With ATOMIC_REQUESTS an action on many rows would be one transaction of all of them.
    @transaction.non_atomic_requests
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST":
            self._check_action(request)
        if not self.databases.has_table(request, self.model):
            alias = self.databases.of(request)
            text = _("Database “%(alias)s” has no table of these: run manage.py migrate --database %(alias)s.")
            self.message_user(request, text % {"alias": alias}, messages.WARNING)
        return super().changelist_view(request, {**(extra_context or {}), "page_links": self._links(request)})

    def _links(self, request: HttpRequest, *, is_above: bool = False) -> list[Link]:
        site, name = self.admin_site, str(self.opts.model_name)
        pages = listed_among(pages_of(site), request)
        return [*links_to(pages, request, site.name, here=name, is_above=is_above)]

    def _check_action(self, request: HttpRequest) -> None:
        """Refuse what Django would ignore or stumble over: actions without permission, ids that are none of ours."""
        name = request.POST.get("action", "")
        if name and name not in self.get_actions(request):
            raise PermissionDenied
        ids = set(request.POST.getlist(ACTION_CHECKBOX_NAME))
        if len(ids) > MAX_SELECTED or not all(map(is_number, ids)):
            raise BadRequest("too many ids, or some that are no numbers")
        if not self.rows_may_vanish and self._named(request, ids).count() < len(ids):
            raise BadRequest("there are no rows of some of these ids")

    def _named(self, request: HttpRequest, ids: Iterable[str]) -> QuerySet[Any]:
        return self.get_queryset(request).filter(pk__in=[int(id) for id in ids])

    # One row

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(self._view_of(name)),
                name=f"{self.opts.app_label}_{self.opts.model_name}_{name}",
            )
            for name in self.operations
        ]
        urls = [*own, *super().get_urls()]
        return [URLPattern(url.pattern, protected(url.callback), url.default_args, url.name) for url in urls]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        buttons = [
            {
                "name": name,
                "label": self.operations[name],
                "url": self.databases.url(self._reverse(name, object_id), request),
                "warning": self.irrevocable.get(name, ""),
            }
            for name in ([] if row is None else self.offered(row))
            if self.may(request, name)
        ]
        told = {} if row is None else self.told_of(request, row)
        links = self._links(request, is_above=True)
        context = {**(extra_context or {}), **told, "operations": buttons, "page_links": links}
        return super().change_view(request, object_id, form_url, context)

    def _view_of(self, name: str) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            if not self.may(request, name):
                raise PermissionDenied
            row: Model | None = self.get_object(request, object_id)
            if row is None:
                raise Http404
            self.operate(request, name, self.get_queryset(request).filter(pk=row.pk))
            return HttpResponseRedirect(self.databases.url(self.url_after(name, row), request))

        return view

    def _reverse(self, name: str, *arguments: Any) -> str:
        route = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{name}"
        return reverse(route, args=arguments)


def is_across(request: HttpRequest) -> bool:
    """Whether an action is for all rows of the list, as Django's own form reads it."""
    return bool(forms.BooleanField(required=False).to_python(request.POST.get("select_across", False)))


def _parameter_of(list_filter: Any) -> str:
    """What an address asks a filter of these pages with."""
    if isinstance(list_filter, tuple):
        field, kind = list_filter
        return str(kind.parameter_of(field))
    return str(list_filter.parameter_name)

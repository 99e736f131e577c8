"""The outbox in the admin: how long it waits, what was refused and why, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from ..conf import get_settings
from ..models import OutboxMessage
from ..producing import refusals
from ..producing.backlog import find_backlog
from ..producing.databases import find_outboxes
from .databases import ClampedList, DatabaseChoice, DatabaseFilter
from .payloads import headers_table, payload_block

if TYPE_CHECKING:
    Admin = admin.ModelAdmin[OutboxMessage]
else:
    # At run time it can't be subscripted.
    Admin = admin.ModelAdmin

MAX_SELECTED = 1000
OPERATIONS: dict[str, Callable[[Sequence[int], str], list[int]]] = {
    "retry": refusals.retry,
    "discard": refusals.discard,
}
LABELS = {"retry": _("Retry"), "discard": _("Discard")}
LOGGED = {"retry": (CHANGE, _("Retried.")), "discard": (DELETION, _("Discarded."))}

databases = DatabaseChoice(lambda: find_outboxes(get_settings()))


class OutboxList(ClampedList):
    choice = databases


class OutboxDatabaseFilter(DatabaseFilter):
    choice = databases


class RefusedFilter(admin.EmptyFieldListFilter):
    """Those that were refused, or those that wait for the relay."""

    def choices(self, changelist: Any) -> Any:
        everything, empty, filled = super().choices(changelist)
        yield everything
        yield {**filled, "display": _("Refused")}
        yield {**empty, "display": _("Waiting")}


@admin.register(OutboxMessage)
class OutboxAdmin(Admin):
    """Who may view rows sees where they go and why they don't; keys, values and headers need another permission."""

    list_display = ("id", "created_at", "topic", "state", "refusal")
    list_filter = (("refused_at", RefusedFilter), OutboxDatabaseFilter, "topic")
    ordering = ("id",)
    list_per_page = 50
    show_full_result_count = False
    actions = ("retry_selected", "discard_selected")
    change_list_template = "admin/kafka_integration/outboxmessage/change_list.html"
    change_form_template = "admin/kafka_integration/outboxmessage/change_form.html"

    class Media:
        css = {"all": ("kafka_integration/admin.css",)}

    # What one sees

    def get_fieldsets(self, request: HttpRequest, obj: OutboxMessage | None = None) -> Any:
        may_see = self._has(request, "view_payload")
        payload = ("shown_key", "shown_value", "shown_headers") if may_see else ("no_payload",)
        return (
            (_("Message"), {"fields": ("topic", "partition", "timestamp_ms", "created_at", *payload)}),
            (_("Refusal"), {"fields": ("state", "refused_at", "refusal")}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: OutboxMessage | None = None) -> Any:
        return [field for _, options in self.get_fieldsets(request, obj) for field in options["fields"]]

    @admin.display(description=_("state"))
    def state(self, message: OutboxMessage) -> Any:
        return _("refused, holds its key") if message.refused_at else _("waits for the relay")

    @admin.display(description=_("key"))
    def shown_key(self, message: OutboxMessage) -> str:
        return payload_block(message.key)

    @admin.display(description=_("value"))
    def shown_value(self, message: OutboxMessage) -> str:
        return payload_block(message.value)

    @admin.display(description=_("headers"))
    def shown_headers(self, message: OutboxMessage) -> str:
        return headers_table(message.headers)

    @admin.display(description=_("key, value and headers"))
    def no_payload(self, message: OutboxMessage) -> str:
        return str(_("You need the permission “Can see keys, values and headers of outbox messages”."))

    # What one may do

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: OutboxMessage | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: OutboxMessage | None = None) -> bool:
        # A row is given up by “Discard”, which has a permission of its own.
        return False

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and self._has(request, "retry")

    def has_discard_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and self._has(request, "discard")

    def _has(self, request: HttpRequest, codename: str) -> bool:
        return bool(request.user.has_perm(f"kafka_integration.{codename}_outboxmessage"))

    def _may(self, request: HttpRequest, name: str) -> bool:
        return {"retry": self.has_retry_permission, "discard": self.has_discard_permission}[name](request)

    # The list

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutboxMessage]:
        return super().get_queryset(request).using(databases.of(request))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[OutboxList]:
        return OutboxList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST":
            self._check_action(request)
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            backlog = find_backlog(databases.of(request))
            since = timezone.now() - timedelta(seconds=backlog.oldest_seconds or 0)
            response.context_data |= {"backlog": backlog, "oldest": timesince(since)}
        return response

    def _check_action(self, request: HttpRequest) -> None:
        """Refuse what Django would ignore or stumble over: actions without permission, ids that are none."""
        name = request.POST.get("action", "").removesuffix("_selected")
        if name in OPERATIONS and not self._may(request, name):
            raise PermissionDenied
        ids = request.POST.getlist(admin.helpers.ACTION_CHECKBOX_NAME)
        if len(ids) > MAX_SELECTED or not all(id.isascii() and id.isdigit() and len(id) < 20 for id in ids):
            raise BadRequest("too many ids, or some that are no numbers")

    @admin.action(description=_("Retry selected outbox messages"), permissions=["retry"])
    def retry_selected(self, request: HttpRequest, rows: QuerySet[OutboxMessage]) -> None:
        self._operate(request, "retry", rows)

    @admin.action(description=_("Discard selected outbox messages"), permissions=["discard"])
    def discard_selected(self, request: HttpRequest, rows: QuerySet[OutboxMessage]) -> None:
        self._operate(request, "discard", rows)

    # One of them

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(self._view_of(name)),
                name=f"kafka_integration_outboxmessage_{name}",
            )
            for name in OPERATIONS
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        offered = [] if row is None else ["retry", "discard"] if row.refused_at else ["discard"]
        operations = [
            (databases.url(self._url(name, object_id), request), LABELS[name], name)
            for name in offered
            if self._may(request, name)
        ]
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "operations": operations})

    def _url(self, name: str, object_id: str) -> str:
        return reverse(f"{self.admin_site.name}:kafka_integration_outboxmessage_{name}", args=[object_id])

    def _view_of(self, name: str) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            if not self._may(request, name):
                raise PermissionDenied
            if self.get_object(request, object_id) is None:
                raise Http404
            self._operate(request, name, self.get_queryset(request).filter(pk=object_id))
            there = reverse(f"{self.admin_site.name}:kafka_integration_outboxmessage_changelist")
            return HttpResponseRedirect(databases.url(there, request))

        return view

    def _operate(self, request: HttpRequest, name: str, rows: QuerySet[OutboxMessage]) -> None:
        database = databases.of(request)
        flag, text = LOGGED[name]
        # One transaction, where both are in one database: nothing is done that the log doesn't show.
        with transaction.atomic(using=database):
            found = list(rows.only("pk", "topic"))
            changed = set(OPERATIONS[name]([row.pk for row in found], database))
            logged = [row for row in found if row.pk in changed]
            LogEntry.objects.log_actions(request.user.pk, logged, flag, str(text))  # type: ignore[arg-type]  # signed in
        self._tell(request, name, len(changed), len(found) - len(changed))

    def _tell(self, request: HttpRequest, name: str, changed: int, left_alone: int) -> None:
        if changed and name == "retry":
            text = ngettext("%d message will be sent again.", "%d messages will be sent again.", changed)
            self.message_user(request, text % changed, messages.SUCCESS)
        elif changed:
            text = ngettext(
                "%d message was discarded. If the relay was sending it just now, it still arrives.",
                "%d messages were discarded. Those that the relay was sending just now still arrive.",
                changed,
            )
            self.message_user(request, text % changed, messages.SUCCESS)
        if left_alone:
            text = ngettext("%d was not refused.", "%d were not refused.", left_alone)
            self.message_user(request, text % left_alone, messages.WARNING)

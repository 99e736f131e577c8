"""The outbox in the admin: how long it waits, what was refused and why, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, DELETION
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from ..conf import get_settings
from ..dead_letters.texts import BRIEF, brief
from ..durations import spoken_here
from ..models import OutboxMessage
from ..outbox import operations as refusals
from ..outbox.backlog import find_backlog
from ..outbox.databases import find_outboxes
from .bounded import RecentValuesFilter
from .databases import ClampedList, DatabaseChoice, DatabaseFilter
from .moments import moment_field
from .operated import OperatedAdmin, is_across

OPERATIONS: dict[str, Callable[[Sequence[int], str], list[int]]] = {
    "retry": refusals.retry,
    "discard": refusals.discard,
}

databases = DatabaseChoice(lambda: find_outboxes(get_settings()))


class OutboxList(ClampedList):
    choice = databases
    large_fields = ("key", "value", "headers", "refusal")

    def get_queryset(self, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(*args, **kwargs).annotate(refusal_start=Left("refusal", BRIEF + 1))
        return rows


class OutboxDatabaseFilter(DatabaseFilter):
    choice = databases


class RefusedFilter(admin.EmptyFieldListFilter):
    """Those that were refused, or those that wait for the relay."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = _("state")

    @staticmethod
    def parameter_of(field: str) -> str:
        return f"{field}__isempty"

    def queryset(self, request: HttpRequest, queryset: QuerySet[OutboxMessage]) -> Any:
        found = super().queryset(request, queryset)
        # With Django's own words for those that are refused, SQLite counts without their index.
        return queryset.filter(refused_at__isnull=False) if self.lookup_val == "0" else found

    def choices(self, changelist: Any) -> Any:
        everything, empty, filled = super().choices(changelist)
        yield everything
        yield {**filled, "display": _("Refused")}
        yield {**empty, "display": _("Waiting")}


@admin.register(OutboxMessage)
class OutboxAdmin(OperatedAdmin):
    """Who may view rows sees where they go and why they don't; keys, values and headers need another permission."""

    operations = {"retry": _("Retry"), "discard": _("Discard")}
    logged = {"retry": (CHANGE, _("Retried.")), "discard": (DELETION, _("Discarded."))}
    named_by = ("topic",)
    irrevocable = {
        "discard": _(
            "What is discarded is never sent: it is deleted from the outbox, and only the admin's log says that it was "
            "there."
        )
    }
    # A refused row holds its key: what comes after it has to be discarded first, or the relay would send it.
    newest_first = True
    databases = databases
    list_class = OutboxList
    rows_may_vanish = True
    list_display = ("id", "state", "topic", "shown_created_at", "reason")
    list_filter = (("refused_at", RefusedFilter), OutboxDatabaseFilter, ("topic", RecentValuesFilter))
    ordering = ("id",)
    sortable_by = ("id",)
    actions = ("retry_selected", "discard_selected")
    change_list_template = "admin/kafka_integration/outboxmessage/change_list.html"

    def get_fieldsets(self, request: HttpRequest, obj: OutboxMessage | None = None) -> Any:
        payload = self.payload_fields(request)
        return (
            (_("Message"), {"fields": ("topic", "partition", "timestamp_ms", "shown_created_at", *payload)}),
            (_("Refusal"), {"fields": ("state", "shown_refused_at", "refusal")}),
        )

    shown_created_at = moment_field(OutboxMessage, "created_at")
    shown_refused_at = moment_field(OutboxMessage, "refused_at")

    @admin.display(description=_("state"))
    def state(self, message: OutboxMessage) -> Any:
        return _("refused") if message.refused_at else _("waiting")

    @admin.display(description=_("reason"))
    def reason(self, message: OutboxMessage) -> str:
        return brief(message.refusal_start if hasattr(message, "refusal_start") else message.refusal)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "retry")

    def has_discard_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "discard")

    @transaction.non_atomic_requests
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        has_backlog = databases.has_table(request, self.model)
        if has_backlog and isinstance(response, TemplateResponse) and response.context_data is not None:
            backlog = find_backlog(databases.of(request))
            response.context_data |= {"backlog": backlog, "oldest": spoken_here(backlog.oldest_seconds or 0)}
        return response

    @admin.action(description=_("Retry selected outbox messages"), permissions=["retry"])
    def retry_selected(self, request: HttpRequest, rows: QuerySet[OutboxMessage]) -> None:
        self.operate(request, "retry", rows.filter(refused_at__isnull=False) if is_across(request) else rows)

    @admin.action(description=_("Discard selected outbox messages"), permissions=["discard"])
    def discard_selected(self, request: HttpRequest, rows: QuerySet[OutboxMessage]) -> None:
        self.operate(request, "discard", rows)

    def offered(self, row: OutboxMessage) -> Sequence[str]:
        return ["retry", "discard"] if row.refused_at else ["discard"]

    def url_after(self, name: str, row: OutboxMessage) -> str:
        # The row may be gone.
        return self._reverse("changelist")

    def change(self, name: str, ids: Sequence[int], database: str) -> Collection[int]:
        return OPERATIONS[name](ids, database)

    def done_text(self, name: str, count: int) -> str:
        if name == "retry":
            text = ngettext("%d message will be sent again.", "%d messages will be sent again.", count)
        else:
            text = ngettext(
                "%d message was discarded. If the relay was sending it just now, it still arrives.",
                "%d messages were discarded. Those that the relay was sending just now still arrive.",
                count,
            )
        return text % count

    def left_text(self, name: str, count: int) -> str:
        return ngettext("%d was not refused.", "%d were not refused.", count) % count

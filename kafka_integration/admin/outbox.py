"""The outbox in the admin: how long it waits, what was refused and why, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from ..conf import get_settings
from ..models import OutboxMessage
from ..producing import refusals
from ..producing.backlog import find_backlog
from ..producing.databases import find_outboxes
from .bounded import RecentValuesFilter
from .databases import ClampedList, DatabaseChoice, DatabaseFilter
from .operated import OperatedAdmin

OPERATIONS: dict[str, Callable[[Sequence[int], str], list[int]]] = {
    "retry": refusals.retry,
    "discard": refusals.discard,
}
LOGGED = {"retry": (CHANGE, _("Retried.")), "discard": (DELETION, _("Discarded."))}

databases = DatabaseChoice(lambda: find_outboxes(get_settings()))


class OutboxList(ClampedList):
    choice = databases


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

    def choices(self, changelist: Any) -> Any:
        everything, empty, filled = super().choices(changelist)
        yield everything
        yield {**filled, "display": _("Refused")}
        yield {**empty, "display": _("Waiting")}


@admin.register(OutboxMessage)
class OutboxAdmin(OperatedAdmin):
    """Who may view rows sees where they go and why they don't; keys, values and headers need another permission."""

    operations = {"retry": _("Retry"), "discard": _("Discard")}
    databases = databases
    list_class = OutboxList
    rows_may_vanish = True
    list_display = ("id", "state", "topic", "created_at", "reason")
    list_filter = (("refused_at", RefusedFilter), OutboxDatabaseFilter, ("topic", RecentValuesFilter))
    ordering = ("id",)
    actions = ("retry_selected", "discard_selected")
    change_list_template = "admin/kafka_integration/outboxmessage/change_list.html"

    def get_fieldsets(self, request: HttpRequest, obj: OutboxMessage | None = None) -> Any:
        payload = self.payload_fields(request)
        return (
            (_("Message"), {"fields": ("topic", "partition", "timestamp_ms", "created_at", *payload)}),
            (_("Refusal"), {"fields": ("state", "refused_at", "refusal")}),
        )

    @admin.display(description=_("state"))
    def state(self, message: OutboxMessage) -> Any:
        return _("refused") if message.refused_at else _("waiting")

    @admin.display(description=_("reason"))
    def reason(self, message: OutboxMessage) -> str:
        return Truncator(message.refusal).chars(100)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "retry")

    def has_discard_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "discard")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        has_backlog = databases.has_table(request, self.model)
        if has_backlog and isinstance(response, TemplateResponse) and response.context_data is not None:
            backlog = find_backlog(databases.of(request))
            response.context_data |= {"backlog": backlog, "oldest": _age(backlog.oldest_seconds or 0)}
        return response

    @admin.action(description=_("Retry selected outbox messages"), permissions=["retry"])
    def retry_selected(self, request: HttpRequest, rows: QuerySet[OutboxMessage]) -> None:
        self.operate(request, "retry", rows)

    @admin.action(description=_("Discard selected outbox messages"), permissions=["discard"])
    def discard_selected(self, request: HttpRequest, rows: QuerySet[OutboxMessage]) -> None:
        self.operate(request, "discard", rows)

    def offered(self, row: OutboxMessage) -> Sequence[str]:
        return ["retry", "discard"] if row.refused_at else ["discard"]

    def url_after(self, name: str, row: OutboxMessage) -> str:
        # The row may be gone.
        return self._reverse("changelist")

    def operate(self, request: HttpRequest, name: str, rows: QuerySet[OutboxMessage]) -> None:
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


def _age(seconds: float) -> Any:
    # timesince() would say "0 minutes".
    return timesince(timezone.now() - timedelta(seconds=seconds)) if seconds >= 60 else _("less than a minute")

"""Dead letters in the admin: to look at, to replay and to discard; never to edit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from ..models import DeadLetter
from ..operating import dead_letters
from ..operating.dead_letters import Change, Selection
from .dead_letter_lists import DatabaseFilter, DeadLetterList, StateFilter, database_of, url_in_database
from .payloads import headers_table, payload_block

if TYPE_CHECKING:
    Admin = admin.ModelAdmin[DeadLetter]
else:
    # At run time it can't be subscripted.
    Admin = admin.ModelAdmin

MAX_SELECTED = 1000
PAGE = 1000

Operation = Callable[[Selection, str], Change]

OPERATIONS: dict[str, Operation] = {"replay": dead_letters.request_replay, "discard": dead_letters.discard}
LOGGED = {"replay": _("Replay requested."), "discard": _("Discarded.")}


@admin.register(DeadLetter)
class DeadLetterAdmin(Admin):
    """Who may view them sees where they are from and why; keys, values and headers need a permission of their own."""

    list_display = ("id", "failed_at", "consumer", "place", "attempts", "exception", "state")
    list_filter = (StateFilter, DatabaseFilter, "consumer", "group", "topic", "exception")
    search_fields = ("=id", "topic", "exception")
    ordering = ("-id",)
    list_per_page = 50
    show_full_result_count = False
    actions = ("replay_selected", "discard_selected")
    change_form_template = "admin/kafka_integration/deadletter/change_form.html"

    class Media:
        css = {"all": ("kafka_integration/admin.css",)}

    # What one sees

    def get_fieldsets(self, request: HttpRequest, obj: DeadLetter | None = None) -> Any:
        may_see_payload = self._has(request, "view_payload")
        payload = ("shown_key", "shown_value", "shown_headers") if may_see_payload else ("no_payload",)
        return (
            (_("Message"), {"fields": ("place", "topic_id", "timestamp", *payload)}),
            (_("Failure"), {"fields": ("consumer", "group", "attempts", "failed_at", "exception", "reason", "trace")}),
            (_("Since then"), {"fields": ("state", "replayed_at", "settled_at", "leased_until", "lease_holder")}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: DeadLetter | None = None) -> Any:
        return [field for _, options in self.get_fieldsets(request, obj) for field in options["fields"]]

    @admin.display(description=_("message"), ordering="topic")
    def place(self, letter: DeadLetter) -> str:
        return f"{letter.topic}[{letter.partition}]@{letter.offset}"

    @admin.display(description=_("timestamp"))
    def timestamp(self, letter: DeadLetter) -> str:
        return "" if letter.timestamp_ms is None else f"{letter.timestamp_ms} ms ({letter.timestamp_type})"

    @admin.display(description=_("key"))
    def shown_key(self, letter: DeadLetter) -> str:
        return payload_block(letter.key)

    @admin.display(description=_("value"))
    def shown_value(self, letter: DeadLetter) -> str:
        return payload_block(letter.value)

    @admin.display(description=_("headers"))
    def shown_headers(self, letter: DeadLetter) -> str:
        return headers_table(letter.headers)

    @admin.display(description=_("key, value and headers"))
    def no_payload(self, letter: DeadLetter) -> str:
        return str(_("You need the permission “Can see keys, values and headers of dead letters”."))

    @admin.display(description=_("traceback"))
    def trace(self, letter: DeadLetter) -> str:
        return format_html('<pre class="kafka-block">{}</pre>', letter.traceback) if letter.traceback else ""

    # What one may do

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: DeadLetter | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: DeadLetter | None = None) -> bool:
        return False

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and self._has(request, "replay")

    def has_discard_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and self._has(request, "discard")

    def _has(self, request: HttpRequest, codename: str) -> bool:
        return bool(request.user.has_perm(f"kafka_integration.{codename}_deadletter"))

    def _may(self, request: HttpRequest, name: str) -> bool:
        return {"replay": self.has_replay_permission, "discard": self.has_discard_permission}[name](request)

    # The list

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        return super().get_queryset(request).using(database_of(request))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DeadLetterList]:
        return DeadLetterList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST":
            self._check_action(request)
        return super().changelist_view(request, extra_context)

    def _check_action(self, request: HttpRequest) -> None:
        """Refuse what Django would ignore or stumble over: actions without permission, ids that are none of ours."""
        name = request.POST.get("action", "").removesuffix("_selected")
        if name in OPERATIONS and not self._may(request, name):
            raise PermissionDenied
        ids = set(request.POST.getlist(ACTION_CHECKBOX_NAME))
        if len(ids) > MAX_SELECTED or not all(id.isascii() and id.isdigit() and len(id) < 20 for id in ids):
            raise BadRequest("too many ids, or some that are no numbers")
        if self._named(request, ids).count() < len(ids):
            raise BadRequest("there are no dead letters of some of these ids")

    def _named(self, request: HttpRequest, ids: Iterable[str]) -> QuerySet[DeadLetter]:
        return Selection(ids=[int(id) for id in ids]).of(database_of(request))

    @admin.action(description=_("Replay selected dead letters"), permissions=["replay"])
    def replay_selected(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        self._operate_on_all(request, "replay", letters)

    @admin.action(description=_("Discard selected dead letters"), permissions=["discard"])
    def discard_selected(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        self._operate_on_all(request, "discard", letters)

    def _operate_on_all(self, request: HttpRequest, name: str, letters: QuerySet[DeadLetter]) -> None:
        if request.POST.get("select_across") == "1":
            # Of all that a filter shows, discarded ones stay so: nobody has named them.
            letters = letters.filter(state__in=dead_letters.UNSETTLED)
        ids = list(letters.order_by("pk").values_list("pk", flat=True))
        pages = [ids[start : start + PAGE] for start in range(0, len(ids), PAGE)]
        changes = [self._operate(request, name, page) for page in pages]
        self._tell(request, name, sum(c.changed for c in changes), sum(c.left_alone for c in changes))

    # One of them

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(self._view_of(name)),
                name=f"kafka_integration_deadletter_{name}",
            )
            for name in OPERATIONS
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        letter = self.get_object(request, object_id)
        states: dict[str, Sequence[str]] = {"replay": dead_letters.REPLAYABLE, "discard": dead_letters.UNSETTLED}
        operations = [
            (url_in_database(self._url(name, letter), request), label, name)
            for name, label in (("replay", _("Replay")), ("discard", _("Discard")))
            if letter is not None and letter.state in states[name] and self._may(request, name)
        ]
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "operations": operations})

    def _url(self, name: str, letter: DeadLetter) -> str:
        return reverse(f"{self.admin_site.name}:kafka_integration_deadletter_{name}", args=[letter.pk])

    def _view_of(self, name: str) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            if not self._may(request, name):
                raise PermissionDenied
            letter = self.get_object(request, object_id)
            if letter is None:
                raise Http404
            change = self._operate(request, name, [letter.pk])
            self._tell(request, name, change.changed, change.left_alone)
            there = reverse(f"{self.admin_site.name}:kafka_integration_deadletter_change", args=[letter.pk])
            return HttpResponseRedirect(url_in_database(there, request))

        return view

    def _operate(self, request: HttpRequest, name: str, ids: Sequence[int]) -> Change:
        database = database_of(request)
        # One transaction, where both are in one database: nothing is done that the log doesn't show.
        with transaction.atomic(using=database):
            change = OPERATIONS[name](Selection(ids=ids), database)
            changed = Selection(ids=change.changed_ids).of(database).only("pk", "topic", "partition", "offset", "group")
            assert request.user.pk is not None  # nobody anonymous gets this far
            LogEntry.objects.log_actions(request.user.pk, list(changed), CHANGE, str(LOGGED[name]))
        return change

    def _tell(self, request: HttpRequest, name: str, changed: int, left_alone: int) -> None:
        if changed and name == "replay":
            text = ngettext(
                "%d dead letter will be replayed by a running consumer of its group.",
                "%d dead letters will be replayed by the running consumers of their groups.",
                changed,
            )
            self.message_user(request, text % changed, messages.SUCCESS)
        elif changed:
            text = ngettext("%d dead letter was discarded.", "%d dead letters were discarded.", changed)
            self.message_user(request, text % changed, messages.SUCCESS)
        if left_alone:
            text = ngettext(
                "%d was left alone: it is settled or asked for already, or being replayed just now.",
                "%d were left alone: they are settled or asked for already, or being replayed just now.",
                left_alone,
            )
            self.message_user(request, text % left_alone, messages.WARNING)

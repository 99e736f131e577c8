"""Dead letters in the admin: to look at, to replay, to discard and to purge."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, DELETION
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from ..cells import NONE
from ..dead_letters import operations as dead_letters
from ..dead_letters.operations import Change, Selection
from ..dead_letters.standings import NO_REPLAY, Standing, has_failed_again, standing_of
from ..dead_letters.texts import beginning_of_reason, brief, with_beginning_of_reason
from ..message import moment_of
from ..models import DeadLetter
from ..summaries import escaped
from .bounded import RecentValuesFilter
from .databases import ClampedList
from .dead_letter_filters import NARROWING, DeadLetterDatabaseFilter, KindFilter, StateFilter, databases
from .dead_letter_kinds import kinds_of, labels_of_kinds, links_to_kinds
from .dead_letter_replays import preview_of, preview_of_action, replays_of_list, why_it_waits
from .moments import moment_element, moment_field
from .operated import MAX_SELECTED, OperatedAdmin, is_across
from .payloads import LINES

PREVIEW = "preview"
"""What the button beside an action's sends."""
OPERATIONS: dict[str, Callable[[Selection, str], Change]] = {
    "replay": dead_letters.request_replay,
    "discard": dead_letters.discard,
    "purge": dead_letters.purge_selected,
}
# Purging can't be undone: it has no button, and is for those that somebody selected.
STATES: dict[str, Sequence[str]] = {"replay": dead_letters.REPLAYABLE, "discard": dead_letters.UNSETTLED}
ACROSS: dict[str, Sequence[str]] = {"replay": (DeadLetter.State.PARKED,), "discard": dead_letters.UNSETTLED}


class DeadLetterList(ClampedList):
    choice = databases
    large_fields = ("key", "value", "headers", "reason", "traceback")

    def get_queryset(self, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        return with_beginning_of_reason(super().get_queryset(*args, **kwargs))


@admin.register(DeadLetter)
class DeadLetterAdmin(OperatedAdmin):
    """Who may view them sees where they are from and why; keys, values and headers need a permission of their own."""

    operations = {"replay": _("Replay"), "discard": _("Discard"), "purge": _("Purge")}
    logged = {
        "replay": (CHANGE, _("Replay requested.")),
        "discard": (CHANGE, _("Discarded.")),
        "purge": (DELETION, _("Purged.")),
    }
    named_by = ("topic", "partition", "offset", "group")
    databases = databases
    list_class = DeadLetterList
    list_display = ("id", "whose", "error", "shown_failed_at", "standing")
    list_filter = (
        StateFilter,
        DeadLetterDatabaseFilter,
        ("kind", KindFilter),
        *((name, RecentValuesFilter) for name in NARROWING if name != "kind"),
    )
    search_fields = ("topic", "exception")  # and the id
    ordering = ("-id",)
    sortable_by = ("id", "shown_failed_at")
    change_list_template = "admin/kafka_integration/deadletter/change_list.html"
    change_form_template = "admin/kafka_integration/deadletter/change_form.html"
    actions = ("replay_selected", "replay_kind_selected", "discard_selected", "purge_selected")

    def get_fieldsets(self, request: HttpRequest, obj: DeadLetter | None = None) -> Any:
        payload = self.payload_fields(request)
        return (
            (
                _("Failure"),
                {
                    "fields": (
                        "state",
                        "exception",
                        "why",
                        "in_code",
                        "trace",
                        "consumer",
                        "group",
                        "attempts",
                        "shown_failed_at",
                    )
                },
            ),
            (_("Message"), {"fields": ("place", "topic_id", "timestamp", *payload)}),
            (
                _("Since then"),
                {"fields": ("outcome", "shown_replayed_at", "shown_settled_at", "shown_leased_until", "lease_holder")},
            ),
        )

    @admin.display(description=_("message"))
    def place(self, letter: DeadLetter) -> str:
        return f"{letter.topic}[{letter.partition}]@{letter.offset}"

    shown_failed_at = moment_field(DeadLetter, "failed_at")
    shown_replayed_at = moment_field(DeadLetter, "replayed_at")
    shown_settled_at = moment_field(DeadLetter, "settled_at")
    shown_leased_until = moment_field(DeadLetter, "leased_until")

    # The list has room for so many columns: what belongs together shares one.

    @admin.display(description=_("message and consumer"))
    def whose(self, letter: DeadLetter) -> str:
        return _two_lines(self.place(letter), letter.consumer)

    @admin.display(description=_("state"))
    def standing(self, letter: DeadLetter) -> str:
        text = ngettext("after %d attempt", "after %d attempts", letter.attempts) % letter.attempts
        state = Standing.FAILED_AGAIN.label if has_failed_again(letter) else letter.get_state_display()
        return _two_lines(str(state), text)

    @admin.display(description=_("exception, reason and place in the code"))
    def error(self, letter: DeadLetter) -> str:
        # The class alone: the list is wide enough.
        name = letter.exception.rpartition(".")[2]
        return format_html(
            '<span title="{}">{}</span><span class="kafka-reason">{}</span><span class="kafka-reason">{}</span>',
            letter.exception,
            name,
            beginning_of_reason(letter),
            brief(letter.location or ""),
        )

    @admin.display(description=_("outcome of the last replay"))
    def outcome(self, letter: DeadLetter) -> str:
        standing = standing_of(letter)
        if standing == Standing.FAILED_AGAIN:
            return _two_lines(str(standing.label), ": ".join(filter(None, (letter.exception, brief(letter.reason)))))
        if standing == Standing.REQUESTED:
            return _two_lines(str(standing.label), why_it_waits(letter))
        return NONE if standing in NO_REPLAY else str(standing.label)

    @admin.display(description=_("place in the code"))
    def in_code(self, letter: DeadLetter) -> str:
        return escaped(letter.location or "") or NONE

    @admin.display(description=_("timestamp"))
    def timestamp(self, letter: DeadLetter) -> str:
        if letter.timestamp_ms is None:
            return NONE
        exact = f"{letter.timestamp_ms} ms ({letter.timestamp_type})"
        moment = moment_of(letter.timestamp_ms)
        try:
            return exact if moment is None else format_html("{}, {}", moment_element(moment), exact)
        except OverflowError:
            # In UTC a datetime can hold it, and hours further on not.
            return exact

    @admin.display(description=_("reason"))
    def why(self, letter: DeadLetter) -> str:
        return escaped(letter.reason, keep=LINES) or NONE

    @admin.display(description=_("traceback"))
    def trace(self, letter: DeadLetter) -> str:
        text = escaped(letter.traceback, keep=LINES)
        return format_html('<pre class="kafka-block">{}</pre>', text) if text else NONE

    @transaction.non_atomic_requests
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST" and PREVIEW in request.POST:
            return self._preview(request)
        may_replay = self.may(request, "replay")
        response = super().changelist_view(request, {**(extra_context or {}), "may_replay": may_replay})
        is_of_waiting = not request.GET.get(StateFilter.parameter_name) and databases.has_table(request, self.model)
        if is_of_waiting and isinstance(response, TemplateResponse) and response.context_data is not None:
            changelist = response.context_data["cl"]
            response.context_data |= kinds_of(databases.of(request), changelist)
            if may_replay:
                response.context_data |= replays_of_list(request, changelist)
        return response

    def _preview(self, request: HttpRequest) -> HttpResponse:
        """What the chosen action would do, if it is a replay; nothing is done."""
        self._check_action(request)
        action = request.POST.get("action", "")
        letters = self.get_changelist_instance(request).get_queryset(request)
        if not is_across(request):
            letters = letters.filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        if action == "replay_kind_selected":
            letters = self._of_kinds(request, labels_of_kinds(letters, MAX_SELECTED))
        elif action != "replay_selected":
            self.message_user(request, _("Nothing was done: only replays have a preview."), messages.WARNING)
            return HttpResponseRedirect(request.get_full_path())
        context = {**self.admin_site.each_context(request), "title": self.operations["replay"], "opts": self.opts}
        return TemplateResponse(
            request,
            "admin/kafka_integration/deadletter/replay_preview.html",
            {**context, "media": self.media, **preview_of_action(request, letters, action)},
        )

    def told_of(self, request: HttpRequest, row: DeadLetter) -> dict[str, Any]:
        if "replay" not in self.offered(row) or not self.may(request, "replay"):
            return {}
        return preview_of(self.get_queryset(request).filter(pk=row.pk))

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "replay")

    def has_discard_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "discard")

    def has_purge_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "purge")

    @admin.action(description=_("Replay selected dead letters"), permissions=["replay"])
    def replay_selected(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        self._operate_on_selected(request, "replay", letters)

    @admin.action(description=_("Replay all dead letters of the kinds of the selected ones"), permissions=["replay"])
    def replay_kind_selected(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        kinds = labels_of_kinds(letters, MAX_SELECTED)
        self.operate(request, "replay", self._of_kinds(request, kinds).filter(state__in=ACROSS["replay"]))
        # Once they are handled the list shows nothing of them by itself.
        text = _("What became of replays: %(links)s")
        if links := links_to_kinds(databases.url(self._reverse("changelist"), request), kinds):
            self.message_user(request, format_html(str(text) % {"links": "{}"}, links))

    def _of_kinds(self, request: HttpRequest, kinds: Collection[str | None]) -> QuerySet[DeadLetter]:
        """All that wait of these kinds."""
        if None in kinds:
            text = _("Those of an earlier version have no kind yet: manage.py kafkadeadletters kinds gives them one.")
            self.message_user(request, text, messages.WARNING)
        # In the words of the index of kinds.
        return self.get_queryset(request).filter(kind__in=set(kinds) - {None}, settled_at=None)

    @admin.action(description=_("Discard selected dead letters"), permissions=["discard"])
    def discard_selected(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        self._operate_on_selected(request, "discard", letters)

    @admin.action(description=_("Purge selected dead letters that are settled, for good"), permissions=["purge"])
    def purge_selected(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        self.operate(request, "purge", letters)

    def _operate_on_selected(self, request: HttpRequest, name: str, letters: QuerySet[DeadLetter]) -> None:
        if is_across(request):
            # Of all that a filter shows, discarded ones stay so: nobody has named them. And those that are asked for
            # already would be gone through again by whoever does it again for the rest.
            letters = letters.filter(state__in=ACROSS[name])
        self.operate(request, name, letters)

    def offered(self, row: DeadLetter) -> Sequence[str]:
        return [name for name, states in STATES.items() if row.state in states]

    def url_after(self, name: str, row: DeadLetter) -> str:
        return self._reverse("changelist") if name == "purge" else super().url_after(name, row)

    def change(self, name: str, ids: Sequence[int], database: str) -> Collection[int]:
        return OPERATIONS[name](Selection(ids=ids), database).changed_ids

    def done_text(self, name: str, count: int) -> str:
        return _done(name, count)

    def left_text(self, name: str, count: int) -> str:
        return _left(name, count)


def _two_lines(first: str, second: str) -> str:
    return format_html('{}<span class="kafka-reason">{}</span>', first, second)


def _done(name: str, count: int) -> str:
    if name == "replay":
        text = ngettext(
            "%d dead letter will be replayed by a running consumer of its group.",
            "%d dead letters will be replayed by the running consumers of their groups.",
            count,
        )
    elif name == "purge":
        text = ngettext("%d dead letter was deleted.", "%d dead letters were deleted.", count)
    else:
        text = ngettext(
            "%d dead letter was discarded. Until it is purged, a replay brings it back.",
            "%d dead letters were discarded. Until they are purged, a replay brings them back.",
            count,
        )
    return text % count


def _left(name: str, count: int) -> str:
    if name == "purge":
        text = ngettext(
            "%d was left alone: it waits for somebody. Discard it first.",
            "%d were left alone: they wait for somebody. Discard them first.",
            count,
        )
    else:
        text = ngettext(
            "%d was left alone: it is settled or asked for already, or being replayed just now.",
            "%d were left alone: they are settled or asked for already, or being replayed just now.",
            count,
        )
    return text % count

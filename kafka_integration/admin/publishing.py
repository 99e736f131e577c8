"""``PublishAdminMixin``: any ModelAdmin can publish the rows that somebody selects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.auth import get_permission_codename
from django.core.checks import CheckMessage, Error
from django.core.exceptions import FieldDoesNotExist
from django.db import router, transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from ..conf import Kind
from ..errors import InvalidMessageError
from ..models import OutboxMessage
from ..outbox.declarations import ALL_FIELDS, EVENTS, Declaration, declarations_of, find_field
from ..outbox.fresh_rows import no_row, read_rows
from ..outbox.publish import announce, build_message
from ..topic_names import topic_name_problem
from .lists import listed

if TYPE_CHECKING:
    Admin = admin.ModelAdmin[Any]
else:
    Admin = object

ROWS_AT_ONCE = 500
CHECK_ID = f"kafka_integration.{Kind.PUBLICATION}"


class PublishAdminMixin(Admin):
    """Adds the action “Publish selected to Kafka”, for those with the model's ``publish`` permission.

    A model with ``@publishes`` is published as that declares. Otherwise set ``publish_topic`` and
    ``publish_fields`` (``"__all__"`` is every column), or override ``get_publish_value(obj)``.
    """

    publish_topic: str | None = None
    publish_fields: Sequence[str] | str | None = None
    publish_key: str | None = "pk"
    publish_event: str = "updated"
    """What consumers read in ``ce_type``: "created", "updated" or "deleted"."""

    def get_publish_value(self, obj: Model) -> Any:
        """The message's value: the published fields of the row. None is a tombstone."""
        return self._declarations()[0].value_of(obj)

    @admin.action(description=_("Publish selected to Kafka"), permissions=["publish"])
    def publish_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        try:
            count = self._publish(request, queryset)
        except InvalidMessageError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        text = ngettext("%d message was published to Kafka.", "%d messages were published to Kafka.", count)
        self.message_user(request, text % count, messages.SUCCESS)

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        # Django before 6.1 knows no locations.
        location = {} if action_location is None else {"action_location": action_location}
        actions = super().get_actions(request, **location)
        # Here and not in `actions`, which a ModelAdmin may well set for itself.
        if self.actions is not None and IS_POPUP_VAR not in request.GET and self.has_publish_permission(request):
            action = self.get_action("publish_selected", **location)
            # None where it has no place, as on a change form.
            if action is not None:
                actions["publish_selected"] = action
        return actions

    def has_publish_permission(self, request: HttpRequest) -> bool:
        """Whether the user may publish: ``app_label.publish_model``, which ``migrate`` creates."""
        codename = get_permission_codename("publish", self.opts)
        return bool(request.user.has_perm(f"{self.opts.app_label}.{codename}"))

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        return [
            *super().check(**kwargs),
            *(Error(problem, obj=type(self), id=CHECK_ID) for problem in self._find_problems()),
        ]

    def _publish(self, request: HttpRequest, queryset: QuerySet[Any]) -> int:
        count = 0
        # Where using() was called, and not where rows are read: that may be a replica.
        using = getattr(queryset, "_db", None) or router.db_for_write(self.model)
        with transaction.atomic(using=using):
            rows = list(queryset)
            for start in range(0, len(rows), ROWS_AT_ONCE):
                page = list(self._messages(rows[start : start + ROWS_AT_ONCE], using))
                OutboxMessage.objects.using(using).bulk_create(page)
                count += len(page)
            topics = listed(dict.fromkeys(declaration.topic for declaration in self._declarations()))
            text = str(_("Published to Kafka, topic %s.")) % topics
            LogEntry.objects.log_actions(request.user.pk, rows, CHANGE, text)  # type: ignore[arg-type]  # signed in
            announce(using)
        return count

    def _messages(self, page: Sequence[Model], using: str) -> Iterable[OutboxMessage]:
        for declaration in self._declarations():
            # What was selected may come from a replica that is behind.
            for obj, row in zip(page, read_rows([declaration], page, using), strict=True):
                if row is None:
                    raise no_row(declaration, obj, using)
                yield build_message(
                    declaration.topic,
                    self.get_publish_value(obj) if self._has_own_value else declaration.value_of(row),
                    key=declaration.key_of(row),
                    event_type=declaration.event_type(self.publish_event),
                )

    @property
    def _has_own_value(self) -> bool:
        return type(self).get_publish_value is not PublishAdminMixin.get_publish_value

    def _declarations(self) -> list[Declaration]:
        """What is published of a row: as this class says, else as the model does."""
        declared = declarations_of(self.model)
        if self.publish_topic is None:
            return declared
        fields = self.publish_fields or (declared[0].fields if declared else ())
        if fields == ALL_FIELDS:
            fields = [field.name for field in self.opts.concrete_fields]
        return [
            Declaration(
                model=self.model,
                topic=self.publish_topic,
                fields=tuple(fields),
                on=frozenset(EVENTS),
                key=self.publish_key,
            )
        ]

    def _find_problems(self) -> Iterable[str]:
        name = type(self).__name__
        declared = declarations_of(self.model)
        if self.publish_topic is None and not declared:
            yield f"{name} publishes nowhere: set publish_topic, or decorate {self.model.__name__} with @publishes."
        elif self.publish_topic is not None and (problem := topic_name_problem(self.publish_topic)):
            yield f"{name}.publish_topic: {problem}."
        if self.publish_topic is not None and not (self.publish_fields or self._has_own_value or declared):
            yield f'{name} publishes nothing: set publish_fields (or "{ALL_FIELDS}"), or define get_publish_value(obj).'
        if self.publish_event not in EVENTS:
            yield f"{name}.publish_event is {self.publish_event!r}: use one of {EVENTS}."
        given = () if self.publish_fields in (None, ALL_FIELDS) else (*self.publish_fields,)
        for field in (*given, *([self.publish_key] if self.publish_key else [])):
            try:
                find_field(self.model, field)
            except FieldDoesNotExist:
                yield f"{name} publishes {field!r}, which is no column of {self.model.__name__}."

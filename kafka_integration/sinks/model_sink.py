"""``ModelSink``: a batch handler that keeps a table as a topic says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from ..errors import HandlerError, RowError, SchemaUnavailableError
from ..message import Message
from ..messages import Messages
from ..outcomes import HandleApart
from .changes import Row, Tombstone, steps_of
from .rows import key_of, row_of
from .statements import carry_out
from .target import Target

Change = Row | Tombstone | None


class ModelSink:
    """Subclass it and name the subclass as ``message_handler``: it writes each message as a row of ``model``.

    The table ends as if the messages had been written one after the other; rows are written many at a time. A message
    that makes no row fails alone, with ``RowError`` or what the database raised. No signals of the model are sent, as
    by bulk operations. It raises ``HandlerError`` where it is declared in a way that can't work.
    """

    model: ClassVar[type[Model] | None] = None
    match_fields: ClassVar[Sequence[str]] = ()
    """By which a row is found, unique together. By default the primary key, taken from the message's key."""
    fields: ClassVar[Sequence[str] | Literal["__all__"]] = ()
    """What is read from the value, a JSON object, by name; an absent one fails the message, others are ignored."""
    version_field: ClassVar[str | None] = None
    """A message whose version is below the row's doesn't overwrite it."""
    on_tombstone: ClassVar[Literal["delete", "ignore"]] = "delete"
    """What a message without a value does to the row that its key names."""

    def __init__(self) -> None:
        cls = type(self)
        place = f"{cls.__module__}.{cls.__qualname__}"
        self._makes_rows = cls.row is not ModelSink.row
        if cls.on_tombstone not in ("delete", "ignore"):
            raise HandlerError(f'{place} has on_tombstone {cls.on_tombstone!r}: it has to be "delete" or "ignore"')
        self._target = Target(
            cls.model,
            match_fields=cls.match_fields,
            fields=cls.fields,
            version_field=cls.version_field,
            makes_rows=self._makes_rows,
            place=place,
        )

    def row(self, message: Message) -> Mapping[str, Any] | None:
        """Override it instead of giving ``fields``: the values of fields by name, or None to delete the row.

        It gets no tombstones, and may be called more than once for a message. What it raises is decided about as of
        any handler: ``Skip`` and ``Reject``, too.
        """
        raise NotImplementedError

    @property
    def database(self) -> str:
        """The alias of the database it writes to, as routers have it."""
        return router.db_for_write(self._target.model)

    @property
    def table(self) -> str:
        """The model that it writes, as Django labels it."""
        return self._target.model._meta.label

    def handle_messages(self, messages: Messages) -> None:
        """Write the messages of a batch, in one transaction."""
        database = self.database
        connection = connections[database]
        changes = [change for change in self._changes(messages, connection) if change is not None]
        # Inside the consumer's transaction nothing of the batch is kept if it fails: no savepoint is needed.
        with transaction.atomic(using=database, savepoint=False):
            for step in steps_of(changes, may_replace=self._target.may_replace):
                carry_out(step, self._target, connection)

    def _changes(self, messages: Messages, connection: BaseDatabaseWrapper) -> list[Change]:
        try:
            return self._changes_by_column(messages, connection) or [
                self._change(message, connection) for message in messages
            ]
        except SchemaUnavailableError:
            raise  # nobody's fault, and each would ask for itself
        except Exception:
            if len(messages) > 1 and (at_fault := self._at_fault(messages, connection)):
                raise HandleApart(at_fault) from None
            raise

    def _changes_by_column(self, messages: Messages, connection: BaseDatabaseWrapper) -> list[Change] | None:
        """The rows of messages that all have a value, without an object for each; None where one has to look."""
        shape = self._target.shape
        if shape is None or None in (values := messages.values()):
            return None
        if shape.from_key is None:
            return [row_of(value, None, shape, connection) for value in values]
        return [row_of(value, key, shape, connection) for value, key in zip(values, messages.keys(), strict=True)]

    def _change(self, message: Message, connection: BaseDatabaseWrapper) -> Change:
        if message.value_bytes is None:
            return self._deletion(message, connection) if self.on_tombstone == "delete" else None
        shape = self._target.shape
        if shape is not None:
            given = message.value
        elif (given := self.row(message)) is None:
            return self._deletion(message, connection)
        elif not isinstance(given, Mapping):
            raise RowError(f"row() returned {type(given).__name__}: it has to return a dict, or None")
        else:
            shape = self._target.shape_of(tuple(given))
        key = message.key if shape.from_key is not None else None
        return row_of(given, key, shape, connection)

    def _deletion(self, message: Message, connection: BaseDatabaseWrapper) -> Tombstone:
        return Tombstone(key_of(message.key, self._target.match, connection))

    def _at_fault(self, messages: Messages, connection: BaseDatabaseWrapper) -> list[Message]:
        """The messages of which no row can be made."""
        found = []
        for message in messages:
            try:
                self._change(message, connection)
            except Exception:  # noqa: BLE001 - it is raised again when the message is handled alone
                found.append(message)
        return found

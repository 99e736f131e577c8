"""The rows that events are made of, read from the database inside the transaction that writes the event.

An instance holds what was assigned to it: an expression, a Decimal that was rounded, a text that the model took for a
date, a change that was never saved. Two events of one row would then differ, in their keys too. So an instance is
only asked for its primary key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Field, JSONField, Model, QuerySet, TextField
from django.db.models.functions import Cast

from ..errors import InvalidMessageError
from .declarations import Declaration

Row = Any
"""Has the columns of a row as attributes, by their attname."""


def read_row(declarations: Sequence[Declaration], instance: Model, using: str, *, lock: bool = False) -> Row | None:
    """The row of an instance, with what these declarations of one model need; None if there is none."""
    model = declarations[0].model
    rows = _all_rows(model, using).filter(pk=_pk_of(model, instance))
    if lock:
        # Who deletes the same row meanwhile waits here, and then finds it gone. SQLite has one writer anyway.
        locked = _only(declarations, rows.select_for_update())
        if locked is not None:
            return locked
        # A policy may hide from a lock, as from an update, what it lets be read and deleted.
    return _only(declarations, rows)


def read_rows(declarations: Sequence[Declaration], instances: Sequence[Model], using: str) -> list[Row | None]:
    """The same for many instances, in their order, with one query."""
    model = declarations[0].model
    rows = dict(_read(declarations, _all_rows(model, using).filter(pk__in=[_pk_of(model, i) for i in instances])))
    found = [_find(rows, model, instance) for instance in instances]
    return [row or read_row(declarations, instance, using) for row, instance in zip(found, instances, strict=True)]


def _find(rows: dict[Any, Row], model: type[Model], instance: Model) -> Row | None:
    """A primary key may be stored otherwise than it was assigned, as an expression for one: None, ask the database."""
    try:
        return rows.get(model._meta.pk.to_python(_pk_of(model, instance)))
    except (TypeError, ValidationError):
        return None


def row_is_there(table: type[Model], model: type[Model], instance: Model, using: str) -> bool:
    """Whether the instance's row of this model has one in the table: the model's own, or that of a child of it."""
    return _all_rows(table, using).filter(**{model._meta.pk.name: _pk_of(model, instance)}).exists()


def no_row(declaration: Declaration, instance: Model, using: str) -> InvalidMessageError:
    """An event that would have to be guessed."""
    model = declaration.model
    return InvalidMessageError(
        f"{model._meta.label} with the primary key {_pk_of(model, instance)!r:.80} can't be read from database "
        f"{using!r}, so there is nothing to publish of it: has something else deleted it, or does a policy of the "
        "database hide it? Publish a row before it is deleted, in the same transaction."
    )


def holds_all(declaration: Declaration, instance: Model) -> bool:
    """Whether an instance has a value of its own for each column, and no expression."""
    values = [instance.__dict__.get(field.attname, _DEFERRED) for field in declaration.columns.values()]
    return not any(value is _DEFERRED or hasattr(value, "resolve_expression") for value in values)


def _all_rows(model: type[Model], using: str) -> QuerySet[Any]:
    # Not by a manager of the model, which may hide rows: what was deleted softly was saved all the same.
    return QuerySet(model, using=using).order_by()


def _pk_of(model: type[Model], instance: Model) -> Any:
    return model._meta.pk.value_from_object(instance)


def _only(declarations: Sequence[Declaration], rows: QuerySet[Any]) -> Row | None:
    return next((row for _, row in _read(declarations, rows)), None)


def _read(declarations: Sequence[Declaration], rows: QuerySet[Any]) -> Iterable[tuple[Any, Row]]:
    """Values and no instances: those run ``__init__``, ``from_db`` and signal receivers, and images open files."""
    columns = {field.attname: field for declaration in declarations for field in declaration.columns.values()}
    undecoded = {name for name, field in columns.items() if _has_own_decoder(field)}
    asked = [Cast(name, TextField()) if name in undecoded else name for name in columns]
    for pk, *values in rows.values_list("pk", *asked):
        row = SimpleNamespace(**dict(zip(columns, values, strict=True)))
        for name in undecoded:
            document = getattr(row, name)
            setattr(row, name, None if document is None else json.loads(document))
        yield pk, row


def _has_own_decoder(field: Field[Any, Any]) -> bool:
    """A decoder may make what no encoder writes back: the event says what is stored."""
    if not isinstance(field, JSONField) or field.decoder is None:
        return False
    return type(field).from_db_value is JSONField.from_db_value


_DEFERRED = object()

"""The rows of an INSERT: as one JSON document where that is quicker, else as parameters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field

from .columns import column_of, stored_field

_WRITTEN_AS_JSON = frozenset(
    {
        *(models.CharField, models.TextField, models.SlugField, models.EmailField, models.URLField),
        *(models.IntegerField, models.BigIntegerField, models.SmallIntegerField, models.PositiveIntegerField),
        *(models.PositiveBigIntegerField, models.PositiveSmallIntegerField, models.FloatField, models.BooleanField),
        *(models.AutoField, models.BigAutoField, models.SmallAutoField, models.DecimalField, models.UUIDField),
        *(models.DateField, models.DateTimeField, models.TimeField),
    }
)
"""Fields whose values PostgreSQL reads from JSON as from a parameter; a subclass may have a type of its own."""


def source_of(
    rows: list[list[Any]], fields: Sequence[Field[Any, Any]], connection: BaseDatabaseWrapper
) -> tuple[str, list[Any]]:
    """What follows ``INSERT INTO … (…)`` for these rows, in their order, and its parameters."""
    if connection.vendor == "postgresql" and all(type(stored_field(field)) in _WRITTEN_AS_JSON for field in fields):
        names = [column_of(field) for field in fields]
        try:
            # Half the time of a parameter for each value, in the driver and in the server.
            document = _encode([dict(zip(names, row, strict=True)) for row in rows])
        except ValueError:
            pass  # JSON has no infinity
        else:
            types = ", ".join(f"{connection.ops.quote_name(column_of(f))} {f.db_type(connection)}" for f in fields)
            return f"SELECT * FROM json_to_recordset(%s::json) AS given ({types})", [document]
    return f"VALUES {_placeholders(rows, fields, connection)}", [*chain.from_iterable(rows)]


def _placeholders(rows: list[list[Any]], fields: Sequence[Field[Any, Any]], connection: BaseDatabaseWrapper) -> str:
    own = [getattr(field, "get_placeholder", _plain) for field in fields]
    if all(place is _plain for place in own):
        return ", ".join([f"({', '.join(['%s'] * len(own))})"] * len(rows))
    return ", ".join(
        f"({', '.join(place(value, None, connection) for place, value in zip(own, row, strict=True))})" for row in rows
    )


def _plain(value: Any, compiler: None, connection: BaseDatabaseWrapper) -> str:
    """The placeholder of fields that have none of their own."""
    return "%s"


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=str).encode

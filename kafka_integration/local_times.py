"""Times of the database's clock as the project's clock shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import DateTimeField, Model
from django.utils import timezone

Row = TypeVar("Row", bound=Model)


def local(value: datetime, row: Model) -> datetime:
    """A time of this row to be shown: without ``USE_TZ`` nothing says that SQLite's clock is in UTC."""
    if timezone.is_aware(value):
        return timezone.localtime(value)
    in_utc = connections[row._state.db or DEFAULT_DB_ALIAS].vendor == "sqlite"
    if not in_utc:
        return value
    return timezone.make_naive(timezone.make_aware(value, UTC))


def spoken_moment(value: datetime) -> str:
    """``2026-03-01 09:12:44 UTC``, as it is; without a zone of its own it is by the project's clock."""
    zoned = value if timezone.is_aware(value) else timezone.make_aware(value)
    return f"{zoned:%Y-%m-%d %H:%M:%S %Z}"


def aware(value: datetime, alias: str) -> datetime:
    """A time of this database with its offset from UTC, also where the project's times have none."""
    if timezone.is_aware(value):
        return value
    return timezone.make_aware(value, UTC if connections[alias].vendor == "sqlite" else None)


def show_locally(row: Row) -> Row:
    """The row with all its times to be shown; not to be saved."""
    for field in row._meta.concrete_fields:
        # Not what is deferred: that would be read.
        value = row.__dict__.get(field.attname)
        if isinstance(field, DateTimeField) and value is not None:
            setattr(row, field.attname, local(value, row))
    return row

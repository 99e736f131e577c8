"""What a field, or its database, would keep as another value without a word: the row is refused instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field
from django.utils import timezone

Look = Callable[[Any, Any], str | None]
"""Says of a value, and of what its field made of it, why that is another one; None where it is the same."""

SQLITE_DIGITS = 15
"""It keeps decimals as floats, of which Django reads so many."""
_NO_TEXTS = (Mapping, list, tuple, set, bytes, bytearray, memoryview)


def look_for_losses(field: Field[Any, Any]) -> Look:
    """How to tell, of values that this field takes, those that it makes others of."""
    return next((look for kind, look in _LOOKS if isinstance(field, kind)), _see_none)


def loss_in_database(read: Any, connection: BaseDatabaseWrapper) -> str | None:
    """Why the database would give back another value than this one of a field; None where it gives back the same."""
    if connection.vendor != "sqlite":
        return None
    if isinstance(read, Decimal) and len("".join(map(str, read.as_tuple().digits)).strip("0")) > SQLITE_DIGITS:
        return f"SQLite keeps {SQLITE_DIGITS} digits of a decimal: have it in a text field, or in PostgreSQL"
    if isinstance(read, datetime) and read.tzinfo is not None and _comes_twice(read, connection):
        return "the database keeps local times, and this one comes twice: have TIME_ZONE of the database be UTC"
    return None


def _comes_twice(moment: datetime, connection: BaseDatabaseWrapper) -> bool:
    zone = connection.timezone
    if zone is None or zone is UTC:
        return False
    kept = timezone.make_aware(timezone.make_naive(moment, zone).replace(fold=0), zone)
    # Times of two zones are never equal while the clock of one is set back.
    return kept.astimezone(UTC) != moment.astimezone(UTC)


def _see_none(value: Any, read: Any) -> str | None:
    return None


def _look_at_integer(value: Any, read: Any) -> str | None:
    if isinstance(value, float | Decimal) and read != value and read == int(value):
        return "it has a fraction, and the field holds whole numbers: send one, or make it a DecimalField"
    return None


def _look_at_float(value: Any, read: Any) -> str | None:
    if read != read:
        return "it is NaN, which is neither above nor below any number: send a number, or null"
    if isinstance(value, int) and read != value and read == float(value):
        return "it has more digits than a float: make it an integer or a DecimalField"
    return None


def _look_at_text(value: Any, read: Any) -> str | None:
    if isinstance(value, _NO_TEXTS) and read == str(value):
        return "the field holds texts, and this is none: send one, or make it a JSONField or BinaryField"
    return None


def _look_at_time(value: Any, read: Any) -> str | None:
    if _has_zone(value):
        return "it has a time zone, and the field holds times without: send it without, or make it a DateTimeField"
    return None


def _has_zone(value: Any) -> bool:
    if isinstance(value, str):
        try:
            value = time.fromisoformat(value)
        except ValueError:
            return False  # of the other ways to write a time none has a zone
    return getattr(value, "tzinfo", None) is not None


_LOOKS: tuple[tuple[Any, Look], ...] = (
    (models.IntegerField, _look_at_integer),
    (models.FloatField, _look_at_float),
    ((models.CharField, models.TextField), _look_at_text),
    (models.TimeField, _look_at_time),
)

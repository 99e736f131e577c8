"""What a field makes of a value that came in a message: checked, and as its database takes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.validators import DecimalValidator, MaxLengthValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field
from django.utils import timezone

from ..errors import RowError
from .losses import look_for_losses, loss_in_database

_PLAIN: dict[type[Any], type[Any]] = {
    **dict.fromkeys((models.CharField, models.TextField, models.SlugField), str),
    **dict.fromkeys((models.IntegerField, models.BigIntegerField, models.SmallIntegerField), int),
    **dict.fromkeys((models.PositiveIntegerField, models.PositiveBigIntegerField), int),
    models.FloatField: float,
    models.BooleanField: bool,
}
"""What these fields hand to every database as it is; their subclasses may do what they like."""
_PLAIN_IN_POSTGRESQL = {models.DateTimeField: datetime, models.UUIDField: UUID, models.DecimalField: Decimal}


class Column:
    """A field of the model, under the name that values have for it."""

    def __init__(self, name: str, field: Field[Any, Any]) -> None:
        self.name = name
        self.field = field
        self.column = column_of(field)
        self._stored = stored_field(field)
        self._plain = _PLAIN.get(type(field))
        self._plain_in_postgresql = _PLAIN_IN_POSTGRESQL.get(type(field))
        # Digits are rounded to those that the field has.
        self._validators = [each for each in self._stored.validators if not isinstance(each, DecimalValidator)]
        self._fits = _bounds_of(self._validators)
        self._loss = look_for_losses(self._stored)

    def of(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """The value as the database takes it; ``RowError`` if the field doesn't."""
        if type(value) is self._plain and self._fits(value):
            return value
        return self.for_database(self.read(value), connection)

    def read(self, value: Any) -> Any:
        """The value as an attribute of a model has it; ``RowError`` if the field doesn't take it."""
        try:
            read = self._read(value)
            if read is not None:
                for validator in self._validators:
                    validator(read)
        except Exception as error:
            raise self._refusal(value, error) from error
        if read is None and not self.field.null:
            raise RowError(f"{self.field}: the message has null for it, and the field takes none")
        if (loss := self._loss(value, read)) is not None:
            raise self._changed(value, loss)
        return read

    def for_database(self, read: Any, connection: BaseDatabaseWrapper) -> Any:
        """What ``read`` gave, as the database takes it."""
        if connection.vendor == "postgresql" and type(read) is self._plain_in_postgresql:
            return read
        if (loss := loss_in_database(read, connection)) is not None:
            raise self._changed(read, loss)
        try:
            return self.field.get_db_prep_save(read, connection=connection)
        except Exception as error:
            raise self._refusal(read, error) from error

    def _read(self, value: Any) -> Any:
        # A float is what JSON has for a decimal: its digits are those that were written.
        if type(value) is float and isinstance(self._stored, models.DecimalField):
            value = Decimal(repr(value))
        read = self.field.to_python(value)
        if isinstance(read, Decimal) and isinstance(self._stored, models.DecimalField):
            return _rounded(read, self._stored)
        if isinstance(read, datetime) and isinstance(self._stored, models.DateTimeField):
            return _in_zone(read)
        return read

    def _changed(self, value: Any, loss: str) -> RowError:
        return RowError(
            f"{self.field} would hold another value than the message has for it, of type {type(value).__name__}: {loss}"
        )

    def _refusal(self, value: Any, error: Exception) -> RowError:
        return RowError(
            f"{self.field} doesn't take what the message has for it, of type {type(value).__name__} "
            f"({type(error).__name__})"
        )


def _rounded(number: Decimal, field: models.DecimalField[Any, Any]) -> Decimal:
    """As PostgreSQL rounds it; SQLite would keep what it is given. ``InvalidOperation`` if it is too large."""
    digits: Any = field.max_digits
    places: Any = field.decimal_places
    if digits is None or places is None:
        return number
    return number.quantize(Decimal(1).scaleb(-places), context=Context(prec=digits, rounding=ROUND_HALF_UP))


def stored_field(field: Field[Any, Any]) -> Field[Any, Any]:
    """The field whose type the column has: of a foreign key its target."""
    return stored_field(field.target_field) if isinstance(field, models.ForeignKey) else field


def column_of(field: Field[Any, Any]) -> str:
    """The name of its column in the table."""
    assert field.column is not None  # as of every concrete field
    return field.column


def _in_zone(moment: datetime) -> datetime:
    """As the project keeps them: a time without a zone is one of the project's own."""
    if settings.USE_TZ and timezone.is_naive(moment):
        moment = timezone.make_aware(moment)
    if moment.year in (MINYEAR, MAXYEAR) and timezone.is_aware(moment):
        moment.astimezone(UTC)  # raises where Python has no such year: PostgreSQL has, and the row could not be read
    if not settings.USE_TZ and timezone.is_aware(moment):
        return timezone.make_naive(moment)
    return moment


def _bounds_of(validators: list[Any]) -> Callable[[Any], bool]:
    """A quick look by which most values pass all of the validators; False is no verdict yet."""
    lowest: Any = None
    highest: Any = None
    longest: Any = None
    for validator in validators:
        limit = getattr(validator, "limit_value", None)
        if type(limit) is not int:
            return lambda value: False
        if type(validator) is MinValueValidator:
            lowest = limit if lowest is None else max(lowest, limit)
        elif type(validator) is MaxValueValidator:
            highest = limit if highest is None else min(highest, limit)
        elif type(validator) is MaxLengthValidator:
            longest = limit if longest is None else min(longest, limit)
        else:
            return lambda value: False
    if longest is not None:
        return lambda value: len(value) <= longest
    if lowest is None and highest is None:
        return lambda value: value == value  # all but NaN
    low, high = (-float("inf") if lowest is None else lowest), (float("inf") if highest is None else highest)
    return lambda value: low <= value <= high

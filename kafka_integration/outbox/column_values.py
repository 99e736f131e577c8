"""What an event says of a column: one form for each type of field, of values as the database gives them.

Two events of one row must agree on its key, or they go to two partitions and lose their order. So nothing here
depends on what was assigned, on the driver, or on the time zone of the connection.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from copy import copy
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from django.db.models import Field, ForeignKey, GeneratedField, JSONField

from ..errors import InvalidMessageError

# What DjangoJSONEncoder writes as it is.
_PLAIN = (str, int, float, Decimal, date, time, timedelta, UUID, list, tuple, dict)
_BYTES = (bytes, bytearray, memoryview)


def event_value(field: Field[Any, Any], value: Any) -> Any:
    """What an event says of a loaded value of this field; ``DjangoJSONEncoder`` can write it."""
    field = _stored(field)
    if value is None:
        return None
    if isinstance(field, JSONField):
        return _document(field, value)
    if isinstance(value, list | tuple) and (base := getattr(field, "base_field", None)) is not None:
        return [event_value(base, item) for item in value]
    return _plain(field, value)


def event_key(field: Field[Any, Any], value: Any) -> Any:
    """The same as a key: text, number, UUID or bytes as they are, anything else as text."""
    field = _stored(field)
    if value is None:
        return None
    if isinstance(value, _BYTES):
        return bytes(value)
    is_document = isinstance(field, JSONField)
    key = _document(field, value) if is_document else _plain(field, value)
    if isinstance(key, str | int | UUID) and not isinstance(key, bool):
        return key
    return json.dumps(key, ensure_ascii=False) if is_document else _as_text(field, key)


def _stored(field: Field[Any, Any]) -> Field[Any, Any]:
    """The field whose type the column has: of a foreign key's target, of a generated column's expression."""
    if isinstance(field, ForeignKey):
        return _stored(field.target_field)
    if isinstance(field, GeneratedField) and field.output_field is not None:
        return _stored(field.output_field)
    return field


def _document(field: Any, value: Any) -> Any:
    """The JSON that the field writes: its own encoder takes what ours doesn't, and makes text of keys."""
    try:
        return json.loads(json.dumps(value, cls=field.encoder))
    except (TypeError, ValueError) as error:
        raise InvalidMessageError(
            f"{field} can't be published: its encoder can't write what its decoder made ({type(error).__name__})."
        ) from error


def _in_utc(value: Any) -> Any:
    """An aware datetime, or both ends of a range of them, comes in the time zone of whoever asked."""
    if isinstance(value, datetime):
        return value if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(getattr(value, "lower", None), datetime) or isinstance(getattr(value, "upper", None), datetime):
        return type(value)(_in_utc(value.lower), _in_utc(value.upper), value._bounds)
    return value


def _plain(field: Field[Any, Any], value: Any) -> Any:
    """What JSON can say of a value; where a field makes objects of its own, what it writes into fixtures or stores."""
    value = _in_utc(value)
    if isinstance(value, _PLAIN):
        return _in_one_form(value)
    if isinstance(value, _BYTES):
        return b64encode(value).decode()
    if type(field).value_to_string is not Field.value_to_string:
        return _as_text(field, value)
    stored = field.get_prep_value(value)
    if isinstance(stored, _PLAIN):
        return _in_one_form(stored)
    raise InvalidMessageError(
        f"{field} can't be published: there is no text for a {type(value).__name__}. "
        "Define value_to_string() on the field."
    )


def _in_one_form(value: Any) -> Any:
    if isinstance(value, Decimal) and value.is_zero():
        # SQLite may say -0.00, and 0.00 after the next save.
        return abs(value)
    if isinstance(value, float) and not math.isfinite(value):
        # JSON has no such numbers; Python and PostgreSQL read these texts as what they are.
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _as_text(field: Field[Any, Any], value: Any) -> str:
    # A field inside of another one has no name to find its value by.
    named = copy(field)
    named.attname = "value"
    return str(named.value_to_string(SimpleNamespace(value=value)))  # type: ignore[arg-type]  # as Django's own fields do

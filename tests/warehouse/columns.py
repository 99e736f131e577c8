"""One published model for each type of column, its value being the event's only field and its key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models

from kafka_integration import publishes

WAREHOUSE = "warehouse"
TOPIC = "columns"


class Shelf(models.Model):
    """What foreign keys refer to, by different columns."""

    code = models.CharField(max_length=20, unique=True)
    height = models.DecimalField(max_digits=9, decimal_places=2, unique=True)
    built_at = models.DateTimeField(unique=True)

    class Meta:
        app_label = WAREHOUSE

    def __str__(self) -> str:
        return self.code


class LowerCaseField(models.CharField):
    """Stores something else than was assigned."""

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return value if value is None else value.lower()


@dataclass(frozen=True)
class Money:
    amount: Decimal


class MoneyField(models.DecimalField):
    """Is an object in Python, and a number in the database."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return None if value is None else Money(Decimal(value))

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(value.amount if isinstance(value, Money) else value)


class DecimalEncoder(json.JSONEncoder):
    def default(self, o: Any) -> Any:
        return float(o) if isinstance(o, Decimal) else super().default(o)


class DecimalDecoder(json.JSONDecoder):
    """Makes objects that JSON alone can't write."""

    def __init__(self) -> None:
        super().__init__(parse_float=Decimal)


def _refer(to_field: str) -> models.ForeignKey[Any, Any]:
    return models.ForeignKey(
        Shelf, models.DO_NOTHING, to_field=to_field, null=True, db_constraint=False, related_name="+"
    )


FIELDS: dict[str, models.Field[Any, Any]] = {
    "BigInteger": models.BigIntegerField(null=True),
    "Binary": models.BinaryField(null=True),
    "Boolean": models.BooleanField(null=True),
    "Char": models.CharField(max_length=50, null=True),
    "Date": models.DateField(null=True),
    "DateTime": models.DateTimeField(null=True),
    "Decimal": models.DecimalField(max_digits=9, decimal_places=2, null=True),
    "Duration": models.DurationField(null=True),
    "File": models.FileField(null=True),
    "Float": models.FloatField(null=True),
    "Integer": models.IntegerField(null=True),
    "Ip": models.GenericIPAddressField(null=True),
    "Json": models.JSONField(null=True),
    "JsonDecoded": models.JSONField(null=True, decoder=DecimalDecoder, encoder=DecimalEncoder),
    "JsonEncoded": models.JSONField(null=True, encoder=DjangoJSONEncoder),
    "LowerCase": LowerCaseField(max_length=50, null=True),
    "Money": MoneyField(max_digits=9, decimal_places=2, null=True),
    "PositiveSmallInteger": models.PositiveSmallIntegerField(null=True),
    "ReferenceByCode": _refer("code"),
    "ReferenceByHeight": _refer("height"),
    "ReferenceById": _refer("id"),
    "ReferenceByTime": _refer("built_at"),
    "Slug": models.SlugField(null=True),
    "Text": models.TextField(null=True),
    "Time": models.TimeField(null=True),
    "Uuid": models.UUIDField(null=True),
}

if connection.vendor == "postgresql":
    from django.contrib.postgres import fields as postgres

    FIELDS |= {
        "Array": postgres.ArrayField(models.DecimalField(max_digits=9, decimal_places=2), null=True),
        "ArrayOfArrays": postgres.ArrayField(postgres.ArrayField(models.DateTimeField()), null=True),
        "ArrayOfBytes": postgres.ArrayField(models.BinaryField(), null=True),
        "DateTimeRange": postgres.DateTimeRangeField(null=True),
        "IntegerRange": postgres.IntegerRangeField(null=True),
    }


def _published(name: str, field: models.Field[Any, Any]) -> type[models.Model]:
    meta = type("Meta", (), {"app_label": WAREHOUSE})
    model = type(name, (models.Model,), {"__module__": __name__, "Meta": meta, "value": field})
    return publishes(TOPIC, fields=("value",), key="value")(model)


COLUMNS = {name: _published(name, field) for name, field in FIELDS.items()}

"""``@publishes`` says what the database has: for each type of column, key and field, whatever was assigned.

Hypothesis assigns what a model takes, also as text or as an expression. The event of the creation, that of a save of
the loaded row, that of ``publish_instances`` and that of a deletion after an unsaved change must be one and the same,
and read as the row.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.models import Field, Value
from django.db.models.functions import Lower
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kafka_integration import publish_instances
from kafka_integration.models import OutboxMessage
from tests.warehouse.columns import COLUMNS, Money

pytestmark = pytest.mark.usefixtures("warehouse")

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
NAMES = st.text("abcDEF0-_", min_size=1, max_size=20)
SMALL = st.integers(-32_000, 32_000)
DECIMALS = st.decimals(-9_999_999, 9_999_999, places=2) | st.decimals(-999, 999, places=5)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-11))])
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=ZONES)  # noqa: DTZ001 - the bounds are naive
DATES = st.dates(date(1, 1, 2), date(9998, 1, 1))
DURATIONS = st.timedeltas(timedelta(days=-9_000), timedelta(days=9_000))
JSON = st.recursive(
    st.none() | st.booleans() | SMALL | st.floats(-1e9, 1e9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS | SMALL, inner, max_size=3),
    max_leaves=5,
)
ENCODED = st.dictionaries(TEXTS | SMALL, DECIMALS | TIMES | DATES | st.uuids() | JSON, max_size=3)

ASSIGNED: dict[str, st.SearchStrategy[Any]] = {
    "BigInteger": st.integers(-(2**63), 2**63 - 1) | SMALL.map(str),
    "Binary": st.binary(max_size=20) | st.binary(max_size=20).map(memoryview),
    "Boolean": st.booleans() | st.sampled_from(["True", "f", 0, 1]),
    "Char": TEXTS | SMALL | TEXTS.map(lambda text: Lower(Value(text))),
    "Date": DATES | DATES.map(str) | TIMES,
    "DateTime": TIMES | TIMES.map(datetime.isoformat),
    "Decimal": DECIMALS | DECIMALS.map(str) | st.floats(-999, 999),
    "Duration": DURATIONS,
    "File": NAMES,
    "Float": st.floats() | SMALL | SMALL.map(str),
    "Integer": SMALL | SMALL.map(str) | SMALL.map(Value),
    "Ip": st.ip_addresses().map(str) | st.ip_addresses(v=4).map("::ffff:{}".format),
    "Json": JSON,
    "JsonDecoded": JSON,
    "JsonEncoded": ENCODED,
    "LowerCase": NAMES,
    "Money": DECIMALS.map(Money),
    "PositiveSmallInteger": st.integers(0, 32_000),
    "ReferenceByCode": NAMES,
    "ReferenceByHeight": DECIMALS | DECIMALS.map(str),
    "ReferenceById": st.integers(1, 1000) | st.integers(1, 1000).map(str),
    "ReferenceByTime": TIMES,
    "Slug": NAMES,
    "Text": TEXTS,
    "Time": st.times() | st.times().map(str),
    "Uuid": st.uuids() | st.uuids().map(str) | st.uuids().map(lambda number: number.hex),
}

if connection.vendor == "postgresql":
    from django.db.backends.postgresql.psycopg_any import DateTimeTZRange, NumericRange

    PAIRS = st.tuples(SMALL, SMALL).map(sorted)
    ASSIGNED |= {
        "Array": st.lists(DECIMALS | DECIMALS.map(str), max_size=3),
        "ArrayOfArrays": st.lists(st.lists(TIMES, min_size=1, max_size=1), max_size=3),
        "ArrayOfBytes": st.lists(st.binary(max_size=5), max_size=3),
        "DateTimeRange": st.tuples(TIMES, TIMES).map(lambda ends: DateTimeTZRange(*sorted(ends))),
        "IntegerRange": PAIRS.map(tuple) | PAIRS.map(lambda ends: NumericRange(*ends, "(]")),
    }


def take_events() -> list[tuple[bytes | None, Any]]:
    """Key and value of what waits in the outbox, oldest first, taken out."""
    rows = list(OutboxMessage.objects.order_by("id"))
    OutboxMessage.objects.all().delete()
    return [(None if row.key is None else bytes(row.key), json.loads(bytes(row.value))["value"]) for row in rows]


def read_as(field: Field[Any, Any], said: Any) -> Any:
    """What a consumer with the same field makes of what an event says."""
    field = getattr(field, "target_field", field)
    if said is None or field.get_internal_type() == "JSONField":
        return said
    if isinstance(said, list):
        return [read_as(field.base_field, item) for item in said]
    return field.to_python(said)


def comparable(value: Any) -> Any:
    """NaN equals NaN, a buffer its bytes; JSON has its times to the millisecond."""
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    if isinstance(value, Money):
        return value.amount
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if hasattr(value, "microsecond"):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value


def stored(model: Any, pk: int) -> Any:
    if model._meta.get_field("value").get_internal_type() == "JSONField":
        # As it is, whatever a decoder would make of it.
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT value FROM {model._meta.db_table} WHERE id = %s", [pk])
            (document,) = cursor.fetchone()
        return None if document is None else json.loads(document)
    return model.objects.values_list(model._meta.get_field("value").attname, flat=True).get(pk=pk)


@pytest.mark.parametrize("name", COLUMNS)
@given(data=st.data())
@settings(max_examples=10, suppress_health_check=list(HealthCheck), print_blob=True)
def test_every_event_of_a_row_says_what_the_database_has(name: str, data: st.DataObject) -> None:
    model: Any = COLUMNS[name]
    field = model._meta.get_field("value")
    assigned, changed = data.draw(st.none() | ASSIGNED[name]), data.draw(ASSIGNED[name])

    with transaction.atomic():
        instance = model(**{field.attname: assigned})
        instance.save()
        pk, in_database = instance.pk, stored(model, instance.pk)
        model.objects.get().save()
        publish_instances([model(pk=pk, **{field.attname: assigned})])
        model(pk=pk, **{field.attname: changed}).delete()
        events = take_events()

    assert len(events) == 4
    assert [event for event in events if event != events[0]] == []
    assert comparable(read_as(field, events[0][1])) == comparable(in_database)


@pytest.mark.parametrize(
    ("name", "assigned", "key", "value"),
    [
        ("Decimal", "1.5", b"1.50", "1.50"),
        ("Decimal", Decimal("1.23456"), b"1.23", "1.23"),
        ("DateTime", "2026-01-01T01:30:00+05:30", b"2025-12-31T20:00:00+00:00", "2025-12-31T20:00:00Z"),
        ("Date", "2024-01-31", b"2024-01-31", "2024-01-31"),
        ("Time", "12:30", b"12:30:00", "12:30:00"),
        ("Duration", timedelta(days=1), b"1 00:00:00", "P1DT00H00M00S"),
        ("Integer", "3", b"3", 3),
        ("Boolean", "f", b"False", False),
        ("LowerCase", "ABC", b"abc", "abc"),
        ("Money", Money(Decimal("2.5")), b"2.50", "2.50"),
        ("Money", Money(Decimal("-0.001")), b"0.00", "0.00"),
        ("Char", Value("y"), b"y", "y"),
        ("Uuid", "0" * 32, b"00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000"),
        ("Binary", memoryview(b"\0\xff"), b"\0\xff", "AP8="),
        ("Float", float("-inf"), b"-Infinity", "-Infinity"),
        ("Ip", "2001:DB8:0:0::1", b"2001:db8::1", "2001:db8::1"),
        ("Json", {1: "a"}, b'{"1": "a"}', {"1": "a"}),
        ("JsonEncoded", {"at": date(2026, 1, 1)}, b'{"at": "2026-01-01"}', {"at": "2026-01-01"}),
        ("JsonDecoded", [1.5], b"[1.5]", [1.5]),
        ("Json", True, b"true", True),
        ("ReferenceByHeight", "1.5", b"1.50", "1.50"),
        ("ReferenceByTime", "2026-01-01T01:30:00+05:30", b"2025-12-31T20:00:00+00:00", "2025-12-31T20:00:00Z"),
        ("File", "photo.png", b"photo.png", "photo.png"),
        ("Char", None, None, None),
    ],
)
def test_a_type_of_column_has_one_form(name: str, assigned: Any, key: bytes | None, value: Any) -> None:
    model: Any = COLUMNS[name]

    model.objects.create(**{model._meta.get_field("value").attname: assigned})

    assert take_events() == [(key, value)]


def test_a_time_without_a_zone_leaves_with_the_one_it_was_stored_in() -> None:
    with pytest.warns(RuntimeWarning, match="naive"):
        COLUMNS["DateTime"](value=datetime(2026, 1, 1)).save()  # noqa: DTZ001 - that is the point

    assert take_events() == [(b"2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00Z")]


@pytest.mark.server_database
def test_the_time_zone_of_the_connection_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    row = COLUMNS["DateTime"](value=datetime(2026, 1, 1, tzinfo=UTC))
    row.save()

    with monkeypatch.context() as context:
        context.setitem(connection.settings_dict, "TIME_ZONE", "Asia/Tokyo")
        tell_time_zone()
        there = stored(type(row), row.pk)
        row.save()
    tell_time_zone()

    created, updated = take_events()
    assert there.utcoffset() == timedelta(hours=9)
    assert created == updated


def tell_time_zone() -> None:
    for name in ("timezone", "timezone_name"):
        vars(connections["default"]).pop(name, None)
    connection.ensure_timezone()


def test_every_type_of_column_of_django_is_tried() -> None:
    tried = {type(model._meta.get_field("value")).__name__ for model in COLUMNS.values()}
    others = {
        *("AutoField", "BigAutoField", "SmallAutoField", "CompositePrimaryKey"),  # primary keys
        *("SmallIntegerField", "PositiveIntegerField", "PositiveBigIntegerField"),  # as other integers
        *("EmailField", "URLField", "FilePathField", "CommaSeparatedIntegerField", "IPAddressField"),  # as other texts
        *("ImageField", "OneToOneField", "ManyToManyField", "RelatedField", "NullBooleanField", "GeneratedField"),
    }
    assert {cls.__name__ for cls in _fields_of_django()} - tried <= others


def _fields_of_django() -> list[type[Any]]:
    found: list[type[Any]] = [Field]
    for cls in found:
        found += [child for child in cls.__subclasses__() if child.__module__.startswith("django.db.models")]
    return [cls for cls in found if cls.__name__.endswith("Field") and cls not in (Field,)]

"""What a sink writes is what is read again, in the one form that its field has; or the message is refused."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kafka_integration.errors import RowError
from kafka_integration.models import DeadLetter
from kafka_integration.sinks import ModelSink
from tests.prices.models import Reading
from tests.prices.sinks import Levels, Readings
from tests.unit.consumers import committed, consume, write
from tests.unit.sinking import sink

pytestmark = [pytest.mark.usefixtures("prices"), pytest.mark.django_db]


def given_as(**row: Any) -> type[ModelSink]:
    """A sink that makes this row of whatever comes, as values of Python."""

    class Given(ModelSink):
        model = Reading

        def row(self, message: Any) -> Any:
            return {"name": message.key, **row}

    return Given


@pytest.mark.parametrize("level", ["NaN", "nan", "-NaN"])
def test_a_version_that_is_no_number_is_refused(level: str) -> None:
    sink(Levels, ("a", {"level": 2.0, "pieces": 1}))

    with pytest.raises(RowError, match=r"prices.Reading.level would hold another .* type str: it is NaN, which is nei"):
        sink(Levels, ("a", {"level": level, "pieces": 2}))

    assert [*Reading.objects.values_list("level", "pieces")] == [(2.0, 1)]


@pytest.mark.django_db(transaction=True)
def test_one_among_others_is_a_dead_letter_alone() -> None:
    for level in ("1", '"NaN"', "3"):
        write(f'{{"level": {level}, "pieces": 1}}', key="a")

    consume(message_handler="tests.prices.sinks.Levels", value_deserializer="json", on_failure="dead_letter")

    assert [*Reading.objects.values_list("level", flat=True)] == [3.0]
    assert [letter.offset for letter in DeadLetter.objects.all()] == [1]
    assert committed() == 3


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"level": math.nan}, "of type float: it is NaN"),
        ({"level": Decimal("NaN")}, "it is NaN"),
        ({"level": 2**53 + 1}, "of type int: it has more digits than a float"),
        ({"total": Decimal("NaN")}, "prices.Reading.total doesn't take"),
        ({"total": Decimal("Infinity")}, "prices.Reading.total doesn't take"),
        ({"pieces": 1.5}, "of type float: it has a fraction, and the field holds whole numbers"),
        ({"pieces": Decimal("1.5")}, "of type Decimal: it has a fraction"),
        ({"pieces": 2**70}, "prices.Reading.pieces doesn't take"),
        ({"note": {"secret": 1}}, "of type dict: the field holds texts, and this is none"),
        ({"note": ["secret"]}, "of type list: the field holds texts"),
        ({"note": b"secret"}, "of type bytes: the field holds texts"),
        ({"hour": "12:30+02:00"}, "of type str: it has a time zone, and the field holds times without"),
        ({"hour": time(12, 30, tzinfo=UTC)}, "of type time: it has a time zone"),
        ({"taken": "0001-01-01T00:00:00+14:00"}, "prices.Reading.taken doesn't take"),
        ({"taken": "9999-12-31T23:00:00-12:00"}, "prices.Reading.taken doesn't take"),
        ({"counter_id": "longer than it"}, "prices.Reading.counter doesn't take"),
    ],
    ids=str,
)
def test_what_would_be_stored_as_another_value_is_refused_without_saying_it(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowError, match=reason) as caught:
        sink(given_as(**row), ("a", 1))

    assert "secret" not in str(caught.value)
    assert not Reading.objects.exists()


@pytest.mark.parametrize(
    ("row", "read"),
    [
        ({"level": 2**53}, float(2**53)),
        ({"level": math.inf}, math.inf),
        ({"level": "0.1"}, 0.1),
        ({"pieces": 2.0}, 2),
        ({"pieces": "7"}, 7),
        ({"total": "1.005"}, Decimal("1.01")),
        ({"total": Decimal("-0.004")}, Decimal(0)),
        ({"total": "1" + "0" * 17}, Decimal(10**17)),
        ({"note": 5}, "5"),
        ({"hour": "12:30:00.123456"}, time(12, 30, 0, 123456)),
        ({"taken": "2026-03-01T12:00:00.123456+02:00"}, datetime(2026, 3, 1, 10, 0, 0, 123456, tzinfo=UTC)),
        ({"taken": "0001-01-01T00:00:00Z"}, datetime(1, 1, 1, tzinfo=UTC)),
    ],
    ids=str,
)
def test_what_has_one_form_in_its_field_is_written_in_that(row: dict[str, Any], read: Any) -> None:
    sink(given_as(**row), ("a", 1))

    assert Reading.objects.values_list(*row).get() == (read,)


DIGITS = st.integers(-(10**18), 10**18).map(lambda cents: Decimal(cents).scaleb(-2))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(total=DIGITS, level=st.floats(), pieces=st.integers(-(2**70), 2**70) | st.floats())
@example(total=Decimal("12345678901234567.89"), level=0.0, pieces=0)
@example(total=Decimal("1234567890123.45"), level=5e-324, pieces=2**31 - 1)
@example(total=Decimal(10**15 + 1), level=-0.0, pieces=-(2**63))
def test_each_row_is_read_as_it_was_meant_or_was_refused(total: Decimal, level: float, pieces: Any) -> None:
    for name, value in {"total": total, "level": level, "pieces": pieces}.items():
        try:
            sink(given_as(**{name: value}), ("a", 1))
        except RowError:
            continue
        assert Reading.objects.values_list(name, flat=True).get() == value
        Reading.objects.all().delete()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="it keeps decimals as floats")
def test_sqlite_refuses_decimals_of_more_digits_than_it_keeps() -> None:
    with pytest.raises(RowError, match="SQLite keeps 15 digits of a decimal: have it in a text field, or in Postgre"):
        sink(Readings, ("a", {"total": "1234567890123456.78"}))


@pytest.fixture
def local_times(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The database keeps times by the clock of Prague."""
    cached = vars(connections["default"])
    monkeypatch.setitem(connection.settings_dict, "TIME_ZONE", "Europe/Prague")
    for name in ("timezone", "timezone_name"):
        cached.pop(name, None)
    yield
    for name in ("timezone", "timezone_name"):
        cached.pop(name, None)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="it keeps local times where it is told to")
def test_of_a_time_that_comes_twice_the_database_keeps_the_first_only(local_times: None) -> None:
    sink(Readings, ("a", {"taken": "2026-10-25T00:30:00Z"}))
    with pytest.raises(RowError, match="keeps local times, and this one comes twice"):
        sink(Readings, ("b", {"taken": "2026-10-25T01:30:00Z"}))

    taken = Reading.objects.get().taken
    assert taken is not None
    assert taken.astimezone(UTC) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)

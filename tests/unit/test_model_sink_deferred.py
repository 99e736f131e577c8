"""Rows that the database refuses only at COMMIT: those messages fail alone, whoever commits; the others are written.

A foreign key of Django's is looked at in the end, on both databases.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection

from kafka_integration.models import DeadLetter
from tests.prices.models import Counter, Loose, Reading
from tests.unit.consumers import committed, consume, write

pytestmark = [pytest.mark.usefixtures("memory_transport", "prices"), pytest.mark.django_db(transaction=True)]

MESSAGES = 12
COMMITS = pytest.mark.parametrize(
    "options",
    [{}, {"offset_storage": "database"}, {"offset_storage": "database", "transaction": "batch"}, {"deduplicate": True}],
    ids=str,
)


def sink(name: str, rows: list[Any], **options: Any) -> list[int]:
    """Have a sink consume a message for each row; the offsets of those that became dead letters."""
    for key, row in enumerate(rows):
        write(None if row is None else json.dumps(row), key=str(key))
    loop = consume(
        message_handler=f"tests.prices.sinks.{name}", value_deserializer="json", on_failure="dead_letter", **options
    )
    assert loop.fault is None
    assert committed() == len(rows)
    return sorted(DeadLetter.objects.values_list("offset", flat=True))


@COMMITS
@pytest.mark.parametrize("bad", [{0}, {3, 4, 9}, {11}, set(range(MESSAGES))], ids=str)
def test_a_row_that_refers_to_none_is_a_dead_letter_alone(options: dict[str, Any], bad: set[int]) -> None:
    Counter.objects.create(name="c", count=1)

    parked = sink("Readings", [{"counter_id": "x" if n in bad else "c"} for n in range(MESSAGES)], **options)

    assert parked == sorted(bad)
    assert {int(name) for name in Reading.objects.values_list("name", flat=True)} == set(range(MESSAGES)) - bad
    assert {letter.exception for letter in DeadLetter.objects.all()} == {"django.db.utils.IntegrityError"}


@COMMITS
def test_a_tombstone_for_a_row_that_is_referred_to_is_a_dead_letter_alone(options: dict[str, Any]) -> None:
    for name in "012":
        Counter.objects.create(name=name, count=1)
    Reading.objects.create(name="r", counter_id="1")

    parked = sink("Counters", [None, None, None], **options)

    assert parked == [1]
    assert [*Counter.objects.values_list("name", flat=True)] == ["1"]


@COMMITS
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no unique constraint that waits")
def test_a_row_that_has_what_another_one_holds_is_a_dead_letter_alone(options: dict[str, Any]) -> None:
    rows = [{"name": "n", "code": "taken" if n in {2, 7} else f"{n}", "needed": 0} for n in range(MESSAGES)]

    parked = sink("Looses", rows, **options)

    assert parked == [7]
    assert Loose.objects.count() == MESSAGES - 1

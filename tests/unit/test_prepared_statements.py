"""A statement that a session meets often is planned once, and does the same as before."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection

from kafka_integration.consuming.committing.prepared import ENOUGH_USES, Prepared

pytestmark = pytest.mark.django_db(transaction=True)

TYPES = {"one": "integer", "other": "integer"}


@pytest.fixture
def adding() -> Prepared:
    return Prepared("kafka_integration_adding", "SELECT %(one)s + %(other)s + %(one)s", TYPES)


def add(statement, one, other):
    with connection.cursor() as cursor:
        statement.execute(cursor, connection, {"one": one, "other": other})
        return cursor.fetchone()[0]


def prepared():
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_prepared_statements WHERE name = 'kafka_integration_adding'")
        return [name for (name,) in cursor.fetchall()]


def test_it_does_the_same_however_often_it_is_met(adding):
    sums = [add(adding, number, 10) for number in range(2 * ENOUGH_USES)]

    assert sums == [2 * number + 10 for number in range(2 * ENOUGH_USES)]


@pytest.mark.server_database
def test_a_session_prepares_what_it_meets_often(adding):
    connection.close()
    for _ in range(ENOUGH_USES - 1):
        add(adding, 1, 2)
    before = prepared()
    add(adding, 1, 2)

    assert before == []
    assert prepared() == ["kafka_integration_adding"]


@pytest.mark.server_database
def test_another_session_begins_anew(adding):
    for _ in range(ENOUGH_USES):
        add(adding, 1, 2)

    connection.close()

    assert add(adding, 1, 2) == 4
    assert prepared() == []


@pytest.mark.server_database
def test_a_session_in_which_another_thread_prepared_it_needs_no_second_time(adding):
    for _ in range(ENOUGH_USES):
        add(adding, 1, 2)
    same = Prepared("kafka_integration_adding", "SELECT %(one)s + %(other)s + %(one)s", TYPES)

    assert [add(same, 1, 2) for _ in range(2 * ENOUGH_USES)] == [4] * (2 * ENOUGH_USES)


@pytest.mark.server_database
def test_one_that_was_deallocated_fails_once(adding):
    for _ in range(ENOUGH_USES):
        add(adding, 1, 2)
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")

    with pytest.raises(DatabaseError):
        add(adding, 1, 2)

    assert [add(adding, 1, 2) for _ in range(2 * ENOUGH_USES)] == [4] * (2 * ENOUGH_USES)

"""Behind a pooler a session is somebody else's in the next transaction: nothing is prepared in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db.utils import ConnectionHandler

from kafka_integration.consuming.committing.prepared import ENOUGH_USES, Prepared
from tests.services.pgbouncer import PgBouncer, missing_for_pgbouncer
from tests.services.presence import require

pytestmark = pytest.mark.django_db

SETTINGS = {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "USER": "postgres", "NAME": "postgres"}
COUNT = 4 * ENOUGH_USES


@contextmanager
def connected(port: int) -> Iterator[Any]:
    connection = ConnectionHandler({"default": {**SETTINGS, "PORT": port}})["default"]
    yield connection
    connection.close()


def answers(connection):
    statement = Prepared("kafka_integration_asking", "SELECT %(number)s", {"number": "integer"})
    for number in range(COUNT):
        with connection.cursor() as cursor:
            statement.execute(cursor, connection, {"number": number})
            yield cursor.fetchone()[0]


def is_prepared(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_prepared_statements WHERE name = 'kafka_integration_asking'")
        return bool(cursor.fetchall())


def test_a_statement_is_sent_whole_where_the_next_may_come_to_another_session(postgres):
    require(missing_for_pgbouncer())
    with PgBouncer(postgres.port) as pooler, connected(pooler.port) as connection:
        assert list(answers(connection)) == list(range(COUNT))
        assert not any(is_prepared(connection) for _ in range(COUNT))


def test_it_is_prepared_where_nothing_stands_between(postgres):
    with connected(postgres.port) as connection:
        assert list(answers(connection)) == list(range(COUNT))
        assert is_prepared(connection)

"""The outbox's statements, as they stand in the files, are run by the database that they are for."""

from __future__ import annotations

import re

import pytest
from django.db import connection

from kafka_integration.models import OutboxMessage, RelayLease
from kafka_integration.outbox.sql import postgresql, sqlite
from kafka_integration.outbox.statements import Statements, statements_of

NAMES = [name for name in Statements.__annotations__ if name.isupper()]
EVERY = [(dialect, name) for dialect in (postgresql, sqlite) for name in NAMES]
TABLES = {OutboxMessage._meta.db_table, RelayLease._meta.db_table}


@pytest.mark.django_db
@pytest.mark.parametrize("name", NAMES)
def test_each_statement_runs_as_it_stands(name: str) -> None:
    own = statements_of("default")
    lists = {"ids": own.numbers([1]), "stamps": own.numbers([2]), "without_ids": own.numbers([])}
    texts = {"without_topics": own.texts(["t"]), "holder": "relay", "reason": "too large"}
    numbers = {"limit": 10, "max_bytes": 1000, "id": 1, "stamp": 2, "epoch": 3, "seconds": 10.0}
    statement = getattr(own, name)

    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + (statement or "SELECT 1"), {**lists, **texts, **numbers})

        assert cursor.fetchall()


@pytest.mark.parametrize(("dialect", "name"), EVERY, ids=lambda each: getattr(each, "__name__", each))
def test_statements_name_the_tables_that_there_are(dialect: Statements, name: str) -> None:
    assert set(re.findall(r"kafka_integration_\w+", getattr(dialect, name))) <= TABLES


@pytest.mark.parametrize("dialect", [postgresql, sqlite])
def test_statements_of_every_dialect_are_the_same_ones(dialect: Statements) -> None:
    assert {name for name in vars(dialect) if name.isupper()} == set(NAMES)

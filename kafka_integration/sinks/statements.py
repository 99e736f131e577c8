"""Writing a step of changes: one statement deletes, one for each shape writes, if a database takes as much at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper

from .changes import Step
from .columns import column_of
from .sources import source_of
from .target import Shape, Target

T = TypeVar("T")

MOST_PARAMETERS = 30_000
"""PostgreSQL takes 65,535 where the driver leaves binding to it."""
MOST_DELETED = 400
"""SQLite nests one condition in the other, and 1,000 at the most."""


def carry_out(step: Step, target: Target, connection: BaseDatabaseWrapper) -> None:
    """Make the step's changes, in the transaction that is under way."""
    with connection.cursor() as cursor:
        for keys in _pages(list(step.deleted.values()), _most(connection, len(target.match), MOST_DELETED)):
            cursor.execute(_delete(target, connection, len(keys)), [*chain.from_iterable(keys)])
        for shape, rows in step.shapes.items():
            for page in _pages(rows, _most(connection, len(shape.fields))):
                values = [[*row.values, *shape.added(connection)] for row in page]
                source, parameters = source_of(values, shape.fields, connection)
                cursor.execute(_upsert(target, shape, connection, source), parameters)


def _upsert(target: Target, shape: Shape, connection: BaseDatabaseWrapper, source: str) -> str:
    quote = connection.ops.quote_name
    table = quote(target.model._meta.db_table)
    columns = ", ".join(quote(column_of(field)) for field in shape.fields)
    match = ", ".join(quote(column.column) for column in target.match)
    insert = f"INSERT INTO {table} ({columns}) {source} ON CONFLICT ({match})"
    if not shape.updated:
        return f"{insert} DO NOTHING"
    updates = ", ".join(f"{quote(column_of(f))} = EXCLUDED.{quote(column_of(f))}" for f in shape.updated)
    update = f"{insert} DO UPDATE SET {updates}"
    if target.version is None:
        return update
    version = quote(target.version.column)
    return f"{update} WHERE {table}.{version} IS NULL OR EXCLUDED.{version} >= {table}.{version}"


def _delete(target: Target, connection: BaseDatabaseWrapper, count: int) -> str:
    quote = connection.ops.quote_name
    columns = [quote(column.column) for column in target.match]
    table = quote(target.model._meta.db_table)
    if len(columns) == 1:
        return f"DELETE FROM {table} WHERE {columns[0]} IN ({', '.join(['%s'] * count)})"
    one = f"({' AND '.join(f'{column} = %s' for column in columns)})"
    return f"DELETE FROM {table} WHERE {' OR '.join([one] * count)}"


def _most(connection: BaseDatabaseWrapper, parameters: int, most: int = MOST_PARAMETERS) -> int:
    allowed = connection.features.max_query_params or MOST_PARAMETERS
    return max(1, min(most, allowed // parameters))


def _pages(items: list[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]

"""What is in the tables, and in what two runs that began alike have left them different.

Some of it is another each time though nothing is wrong: keys that the database or a default gives, times, random
texts. Generated keys are never compared; a reference to a new row is compared as the contents of that row. Of the rest
a column is left out if two undisturbed runs have left it different, and it holds no numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.apps import apps
from django.db import connections, models, router

from ..models import (
    DeadLetter,
    FinishedOffset,
    HandledMessage,
    LagSample,
    OffsetFence,
    Process,
    ProcessCommand,
    RelayLease,
    StoredOffset,
)
from .capturing import if_allowed

# Events in the outbox are effects; these are how we keep our promises.
BOOKKEEPING = (
    *(DeadLetter, FinishedOffset, HandledMessage, OffsetFence, RelayLease, StoredOffset),
    *(LagSample, Process, ProcessCommand),
)

_NUMBERS = (models.IntegerField, models.DecimalField, models.FloatField, models.BooleanField)

Row = dict[str, Any]
Contents = dict["Table", list[Row]]
Difference = tuple["Table", list[str], list[str]]
"""A table, the rows that only the one run left, and those that only the other did."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a model, in one database."""

    database: str
    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    has_generated_key: bool
    times: frozenset[str] = field(compare=False)
    may_vary: frozenset[str] = field(compare=False)
    references: dict[str, str] = field(compare=False, hash=False)
    """By column, the table that it refers to by its key."""

    def __str__(self) -> str:
        return f'{self.name} (database "{self.database}")'

    def read(self) -> list[Row]:
        connection = connections[self.database]
        quote = connection.ops.quote_name
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(map(quote, self.columns))} FROM {quote(self.name)}")
            return [dict(zip(self.columns, map(_plain, row), strict=True)) for row in cursor.fetchall()]

    def key_of(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[column] for column in self.key)


def usable_databases() -> list[str]:
    """The aliases that the test may use, mirrors left out."""
    aliases = [alias for alias in connections if not connections[alias].settings_dict["TEST"]["MIRROR"]]
    return [alias for alias in aliases if if_allowed(partial(_answers, alias), otherwise=False)]


def tables_in(databases: Iterable[str]) -> list[Table]:
    """The tables of all concrete models in them, but for our own bookkeeping."""
    found = {}
    for alias in databases:
        existing = set(connections[alias].introspection.table_names())
        for model in apps.get_models(include_auto_created=True):
            meta = model._meta
            is_there = meta.db_table in existing and router.allow_migrate_model(alias, model)
            if is_there and not meta.proxy and model not in BOOKKEEPING:
                found[alias, meta.db_table] = _table(alias, model)
    return list(found.values())


def read(tables: Iterable[Table]) -> Contents:
    return {table: table.read() for table in tables}


class Comparison:
    """Compares runs that all began with ``before``."""

    def __init__(self, before: Contents) -> None:
        self._keys = {table: {table.key_of(row) for row in rows} for table, rows in before.items()}
        self._left_out = {table: set(table.times) for table in before}

    def learn(self, one: Contents, other: Contents) -> None:
        """Leave out from now on the columns that are different in two runs that should be alike.

        Not those of numbers and references: they are what effects are counted in.
        """
        shown, others = self._shown(one), self._shown(other)
        for table in one:
            if len(one[table]) == len(other[table]):
                self._left_out[table] |= {name for name in table.may_vary if _differ(shown[table], others[table], name)}

    def differences(self, expected: Contents, actual: Contents) -> Iterator[Difference]:
        shown, others = self._shown(expected), self._shown(actual)
        for table in expected:
            rows, other_rows = Counter(map(_text, shown[table])), Counter(map(_text, others[table]))
            if rows != other_rows:
                yield table, sorted((rows - other_rows).elements()), sorted((other_rows - rows).elements())

    def _shown(self, contents: Contents) -> dict[Table, list[dict[str, str]]]:
        """The rows with what is compared of them."""
        names = {(table.database, table.name): self._names(table, rows) for table, rows in contents.items()}
        return {table: [self._row(table, row, names) for row in rows] for table, rows in contents.items()}

    def _names(self, table: Table, rows: list[Row]) -> dict[Any, str]:
        """What stands for the generated keys of new rows."""
        unnamed = self._left_out[table] | set(table.references) | set(table.key)
        return {
            row[table.key[0]]: f"<new {table.name}: {_text(_without(row, unnamed))}>"
            for row in rows
            if self._is_generated(table, row)
        }

    def _row(self, table: Table, row: Row, names: dict[tuple[str, str], dict[Any, str]]) -> dict[str, str]:
        left_out = self._left_out[table] | (set(table.key) if self._is_generated(table, row) else set())
        shown = _without(row, left_out)
        for column in shown.keys() & table.references.keys():
            shown[column] = names.get((table.database, table.references[column]), {}).get(row[column], shown[column])
        return shown

    def _is_generated(self, table: Table, row: Row) -> bool:
        return table.has_generated_key and table.key_of(row) not in self._keys[table]


def _table(alias: str, model: type[models.Model]) -> Table:
    meta = model._meta
    # A composite key has no column of its own.
    fields: list[Any] = [each for each in meta.local_concrete_fields if each.column]
    key: tuple[Any, ...] = getattr(meta, "pk_fields", (meta.pk,))
    return Table(
        database=alias,
        name=meta.db_table,
        columns=tuple(each.column for each in fields),
        key=tuple(each.column for each in key),
        has_generated_key=len(key) == 1 and _is_generated(key[0]),
        times=frozenset(
            each.column for each in fields if getattr(each, "auto_now", False) or getattr(each, "auto_now_add", False)
        ),
        may_vary=frozenset(each.column for each in fields if _may_vary(each)),
        references={
            each.column: each.remote_field.model._meta.db_table
            for each in fields
            if isinstance(each, models.ForeignKey) and each.target_field.primary_key
        },
    )


def _is_generated(key: Any) -> bool:
    if isinstance(key, models.OneToOneField) and key.remote_field.parent_link:
        return _is_generated(key.target_field)
    has_default = (key.has_default() and callable(key.default)) or key.db_default is not models.NOT_PROVIDED
    return isinstance(key, models.AutoField) or has_default


def _may_vary(each: Any) -> bool:
    # The number of a generic foreign key may be a generated one.
    generic = {getattr(other, "fk_field", None) for other in each.model._meta.private_fields}
    return each.name in generic or not isinstance(each, (*_NUMBERS, models.ForeignKey))


def _answers(alias: str) -> bool:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _without(row: Row, columns: set[str]) -> dict[str, str]:
    return {column: repr(value) for column, value in row.items() if column not in columns}


def _differ(rows: list[dict[str, str]], others: list[dict[str, str]], column: str) -> bool:
    return Counter(row.get(column) for row in rows) != Counter(row.get(column) for row in others)


def _text(row: dict[str, str]) -> str:
    return ", ".join(f"{column}={value}" for column, value in row.items())

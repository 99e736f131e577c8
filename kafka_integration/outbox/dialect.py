"""What SQLite and PostgreSQL write differently in the outbox's few statements."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import NotSupportedError, connections, transaction
from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """Pieces of SQL of one database system; ``{}`` in them is what they apply to."""

    now: str
    """The database's clock, read anew in each statement; never ``now()``, which stands still in a transaction."""
    now_plus_seconds: str
    """The same, later by the parameter's seconds."""
    any_of: str
    none_of_numbers: str
    none_of_texts: str
    age_seconds: str
    stamp: str
    """A time as a whole number, always the same one for the same time."""
    is_refused: str
    """Of rows of the outbox: the few for which an index is used, whatever the statistics."""
    of_unknown_number: str
    """The held keys, of which no old statistics make the planner believe that there is only one."""
    ids_of_unknown_number: str
    """The ids of a query, of which no old statistics make it believe that they are too many for a hash table."""
    stored_octets: str
    """At most the size of a JSON column's text; without reading it, where that can be had."""
    as_text: str
    octets_of_text: str
    keep_to_indexes: str
    """Has the planner walk along indexes for the rest of the transaction; empty where it does by itself."""
    numbers: Callable[[Iterable[int]], str]
    """A list of numbers as the one parameter that ``any_of`` and ``none_of_numbers`` take."""
    texts: Callable[[Iterable[str]], Any]
    """A list of texts as the one parameter that ``none_of_texts`` takes."""


def dialect_of(alias: str) -> Dialect:
    """The dialect of a database of this project."""
    vendor = connections[alias].vendor
    try:
        return _DIALECTS[vendor]
    except KeyError:
        raise NotSupportedError(
            f"DATABASES[{alias!r}] is {vendor}: the outbox is relayed from PostgreSQL and SQLite."
        ) from None


@contextmanager
def walking(alias: str) -> Iterator[CursorWrapper]:
    """A cursor for one reading query that walks a table in the order of an index and stops early.

    No query text makes that certain: where statistics are missing or old, PostgreSQL may expect so few rows, or rows so
    scattered, that it reads the whole table and sorts it. What it is told here ends with the (sub)transaction, which is
    rolled back; nothing is left in a session that a pooler hands to others.
    """
    keep_to_indexes = dialect_of(alias).keep_to_indexes
    connection = connections[alias]
    if not keep_to_indexes:
        with connection.cursor() as cursor:
            yield cursor
        return
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        cursor.execute(keep_to_indexes)
        yield cursor
        transaction.set_rollback(True, using=alias)


_DIALECTS = {
    "postgresql": Dialect(
        now="clock_timestamp()",
        now_plus_seconds="clock_timestamp() + %s * interval '1 second'",
        any_of="{} = ANY(%s::bigint[])",
        # Hashed by each version, and taken for half of the rows; <> ALL compares each row with each item before 15.
        none_of_numbers="{} NOT IN (SELECT unnest(%s::bigint[]))",
        none_of_texts="{} NOT IN (SELECT unnest(%s::text[]))",
        age_seconds="extract(epoch FROM clock_timestamp() - {})",
        stamp="(extract(epoch FROM {}) * 1000000)::bigint",
        # Statistics say nothing of a range whose ends are queries: it is guessed to hold few rows. Told that most rows
        # are refused, or nothing of them, the planner would read the whole table for the few, and sort it for the rest.
        is_refused="refused_at BETWEEN (SELECT '-infinity'::timestamptz) AND (SELECT 'infinity'::timestamptz)",
        of_unknown_number=(
            "SELECT unnest(array_agg(topic)) AS topic, unnest(array_agg(key)) AS key, "
            "unnest(array_agg(since)) AS since FROM ({}) held"
        ),
        ids_of_unknown_number="SELECT unnest(array_agg(id)) FROM ({}) ids",
        # Half, because as it is stored it may be almost twice as long as its text.
        stored_octets="pg_column_size({}) / 2",
        as_text="{}::text",
        octets_of_text="octet_length({})",
        # A forbidden plan counts as dear, and what is dear is compiled first, unless that is forbidden too.
        keep_to_indexes=(
            "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), "
            "set_config('jit', 'off', true)"
        ),
        # Written by hand: the driver's own writing of a long list takes longer than the query.
        numbers=lambda items: "{" + ",".join(map(str, items)) + "}",
        texts=list,
    ),
    "sqlite": Dialect(
        # As Django writes a DateTimeField, so that both compare as text.
        now="strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
        now_plus_seconds="strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '+' || %s || ' seconds')",
        any_of="{} IN (SELECT value FROM json_each(%s))",
        none_of_numbers="{} NOT IN (SELECT value FROM json_each(%s))",
        none_of_texts="{} NOT IN (SELECT value FROM json_each(%s))",
        age_seconds="(julianday('now') - julianday({})) * 86400.0",
        stamp="CAST(round((julianday({}) - 2440587.5) * 86400000.0) AS INTEGER)",
        is_refused="refused_at IS NOT NULL",
        of_unknown_number="{}",
        ids_of_unknown_number="{}",
        stored_octets="length(CAST({} AS BLOB))",
        as_text="{}",
        octets_of_text="length(CAST({} AS BLOB))",
        keep_to_indexes="",
        numbers=lambda items: "[" + ",".join(map(str, items)) + "]",
        texts=lambda items: json.dumps(list(items)),
    ),
}

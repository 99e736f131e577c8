"""How much a database does for a call, in its own measure, whatever the machine is doing besides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from django.db.models import Model

_EXPLAINED = ("SELECT", "WITH", "UPDATE", "DELETE")


def steps_of(call: Callable[[], object]) -> int:
    """Rows that PostgreSQL touches in the queries of ``call``, or instructions of SQLite."""
    return _rows_touched(call) if connection.vendor == "postgresql" else _instructions(call)


def take_statistics(model: type[Model]) -> None:
    """Of what the table holds now; what PostgreSQL plans from then on is planned for that."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {model._meta.db_table}")


def empty(model: type[Model]) -> None:
    """The table, and the file in which PostgreSQL has it: what was deleted from that leaves its room behind."""
    with connection.cursor() as cursor:
        cursor.execute(f"{'TRUNCATE' if connection.vendor == 'postgresql' else 'DELETE FROM'} {model._meta.db_table}")


def _rows_touched(call: Callable[[], object]) -> int:
    plans: list[dict[str, Any]] = []

    def explain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql.lstrip().startswith(_EXPLAINED):
            with transaction.atomic(), connection.connection.cursor() as cursor:
                cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql, params)
                plans.extend(found["Plan"] for found in cursor.fetchone()[0])
                # The query itself does it again.
                transaction.set_rollback(True)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        call()
    return sum(map(_rows_in, plans))


def _rows_in(plan: dict[str, Any]) -> int:
    removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Join Filter", 0)
    here = (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    return int(here) + sum(map(_rows_in, plan.get("Plans", ())))


def _instructions(call: Callable[[], object]) -> int:
    calls: list[None] = []
    connection.connection.set_progress_handler(lambda: calls.append(None), 1)
    try:
        call()
    finally:
        connection.connection.set_progress_handler(None, 0)
    return len(calls)

"""Tables of the benchmark's project: made once a run, emptied before each contender that writes to them."""

from __future__ import annotations

import os

import django
import psycopg


def url() -> str:
    return os.environ["BENCH_DATABASE"]


def empty(*tables: str) -> None:
    with psycopg.connect(url(), autocommit=True) as connection:
        connection.execute(f"TRUNCATE {', '.join(tables)}".encode())


def count(table: str) -> int:
    with psycopg.connect(url()) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    return int(row[0]) if row else 0


def make() -> None:
    """All tables of the project, in a database that has none."""
    django.setup()
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)


if __name__ == "__main__":
    make()

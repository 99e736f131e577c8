"""The outbox's statements in the SQL of a database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from django.db import NotSupportedError, connections, transaction
from django.db.backends.utils import CursorWrapper

from .sql import postgresql, sqlite


class Statements(Protocol):
    """What each module of ``sql`` has; the tables are called as their migrations call them."""

    PAGE: str
    DELETE: str
    REFUSE: str
    BACKLOG: str
    KEEP_TO_INDEXES: str
    """Has the planner walk along indexes for the rest of the transaction; empty where it does by itself."""
    CREATE_LEASE: str
    TAKE_LEASE: str
    RENEW_LEASE: str
    RELEASE_LEASE: str

    def numbers(self, items: Iterable[int]) -> str: ...

    def texts(self, items: Iterable[str]) -> Any: ...


def statements_of(alias: str) -> Statements:
    """The statements for a database of this project."""
    vendor = connections[alias].vendor
    try:
        return _STATEMENTS[vendor]
    except KeyError:
        raise NotSupportedError(
            f"DATABASES[{alias!r}] is {vendor}: the outbox is relayed from PostgreSQL and SQLite."
        ) from None


@contextmanager
def walking(alias: str) -> Iterator[CursorWrapper]:
    """A cursor for one reading query that walks a table in the order of an index and stops early.

    What the planner is told for it ends with the (sub)transaction, which is rolled back; nothing is left in a session
    that a pooler hands to others.
    """
    keep_to_indexes = statements_of(alias).KEEP_TO_INDEXES
    connection = connections[alias]
    if not keep_to_indexes:
        with connection.cursor() as cursor:
            yield cursor
        return
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        cursor.execute(keep_to_indexes)
        yield cursor
        transaction.set_rollback(True, using=alias)


_STATEMENTS: dict[str, Statements] = {"postgresql": postgresql, "sqlite": sqlite}

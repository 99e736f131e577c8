"""Which databases the guarantees hold in: those whose statements and codes are known here, and tested."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections

VENDORS = frozenset({"postgresql", "sqlite"})
NOT_INSTALLED = (ImproperlyConfigured, ImportError)
"""What Django raises for a backend, and what that of Oracle lets through for its driver."""
POSTGRESQL_DRIVERS = ("psycopg", "psycopg2")
OLDEST_SQLITE = (3, 35, 0)
"""The first that knows RETURNING."""


def vendor_of(alias: str) -> str:
    """What kind of database it is; ``""`` where its backend can't be loaded, as of one that nothing here uses."""
    try:
        return connections[alias].vendor
    except NOT_INSTALLED:
        return ""


def why_unsupported(alias: str) -> str | None:
    """Why offsets, dead letters and the outbox can't be kept in this database, and what can be done; None if they can.

    Nothing is asked of the database: it may be away.
    """
    try:
        connection = connections[alias]
    except NOT_INSTALLED as error:
        return f"whose backend can't be loaded: {error}"
    driver: Any = connection.Database  # type: ignore[attr-defined]  # missing in the stubs
    if connection.vendor == "postgresql":
        name = driver.__name__.partition(".")[0]
        if name in POSTGRESQL_DRIVERS:
            return None
        return f"PostgreSQL by the driver {name}, whose errors aren't known here: use psycopg or psycopg2"
    if connection.vendor == "sqlite":
        if driver.sqlite_version_info >= OLDEST_SQLITE:
            return None
        oldest = ".".join(map(str, OLDEST_SQLITE[:2]))
        return f"SQLite {driver.sqlite_version}: at least {oldest} is needed, or PostgreSQL"
    return f"{connection.vendor}: only PostgreSQL and SQLite are supported; choose an alias of theirs"

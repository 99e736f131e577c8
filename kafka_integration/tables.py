"""Whether a database was migrated."""

from __future__ import annotations

from django.db import DatabaseError, ProgrammingError, connections
from django.db.models import Model

_found: set[tuple[str, str, str]] = set()


def has_table(alias: str, model: type[Model]) -> bool:
    """Whether the model's table is there; asked until it is."""
    connection = connections[alias]
    table = model._meta.db_table
    place = (alias, str(connection.settings_dict["NAME"]), table)
    if place not in _found and table in connection.introspection.table_names():
        _found.add(place)
    return place in _found


def unreadable(what: str, error: DatabaseError) -> str:
    """What to say of a table that can't be read: what makes it, where it seems to be missing."""
    # SQLite says it of a table that is missing as it does of one that is locked.
    is_missing = isinstance(error, ProgrammingError) or "no such table" in str(error)
    hint = " (if missing, manage.py migrate makes it)" if is_missing else ""
    return f"{what} can't be read{hint}: {error}".strip()

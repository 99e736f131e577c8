"""Whether a database was migrated."""

from __future__ import annotations

from django.db import connections
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

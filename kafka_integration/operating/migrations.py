"""Whether the tables of a database are those that this code was written for."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from django.db import Error as DatabaseLayerError
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from ..errors import ConfigurationError

APP = "kafka_integration"
PATIENCE_SECONDS = 3.0


def require_migrated(aliases: Iterable[str]) -> None:
    """``ConfigurationError`` for a database that has some of our migrations and lacks others.

    This code would meet tables that it doesn't know. A database without any of them has yet to get its tables, and one
    that can't be asked now is waited for, like in any other outage.
    """
    known = _known()
    problems = []
    for alias in dict.fromkeys(aliases):
        applied = _applied(alias)
        missing = sorted(known - applied)
        if applied and missing:
            names = ", ".join(f"{APP}.{name}" for name in missing)
            problems.append(
                f'database "{alias}" lacks the migration{"s" if len(missing) > 1 else ""} {names}, which this version '
                f"needs: run manage.py migrate --database {alias} first"
            )
    if problems:
        raise ConfigurationError(problems)


def _known() -> set[str]:
    loader = MigrationLoader(None, load=False)
    # Not the graph: what is wrong with another app's migrations is no matter of ours.
    loader.load_disk()
    return {name for app, name in loader.disk_migrations if app == APP}


def _applied(alias: str) -> set[str]:
    """The names of our migrations that are applied; none where that can't be told in time."""
    found: set[str] = set()
    # In a thread of its own: a connection that nobody answers may take minutes to fail.
    asking = threading.Thread(target=_ask, args=(alias, found), name=f"migrations-{alias}", daemon=True)
    asking.start()
    asking.join(PATIENCE_SECONDS)
    return set() if asking.is_alive() else found


def _ask(alias: str, found: set[str]) -> None:
    connection = connections[alias]
    try:
        applied = MigrationRecorder(connection).applied_migrations()
        found.update(name for app, name in applied if app == APP)
    except DatabaseLayerError:
        pass
    finally:
        connection.close()

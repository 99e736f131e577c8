"""Statements that come with every message, of which PostgreSQL keeps the plan."""

from __future__ import annotations

from collections.abc import Mapping
from threading import local
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

ENOUGH_USES = 5
"""A session that meets a statement less often than that is not worth the two that prepare it."""


class Prepared:
    """A statement with parameters by name and of these types; any thread may execute it, in a transaction.

    To plan it takes PostgreSQL longer than to carry it out, so a session prepares what it meets often. Not one behind a
    pooler, where each transaction may come to another server's session: there it is sent whole, as it is to SQLite.
    """

    def __init__(self, name: str, sql: str, types: Mapping[str, str]) -> None:
        places = {parameter: f"${place}" for place, parameter in enumerate(types, start=1)}
        self._name = name
        self._whole = sql
        self._prepare = f"PREPARE {name} ({', '.join(types.values())}) AS {sql % places}"
        self._execute = f"EXECUTE {name} ({', '.join(f'%({parameter})s' for parameter in types)})"
        self._session = _Session()

    def execute(self, cursor: Any, connection: BaseDatabaseWrapper, values: Mapping[str, object]) -> None:
        """Execute it with these values; how many rows it hit is the cursor's to say."""
        if not self._is_prepared(cursor, connection):
            cursor.execute(self._whole, values)
            return
        try:
            cursor.execute(self._execute, values)
        except Exception:
            # Somebody may have deallocated it: the next try is sent whole.
            self._session.begin(None)
            raise

    def _is_prepared(self, cursor: Any, connection: BaseDatabaseWrapper) -> bool:
        if connection.vendor != "postgresql":
            return False
        # To EXECUTE the server binds no parameters.
        if connection.features.uses_server_side_binding:  # type: ignore[attr-defined]  # PostgreSQL's have it
            return False
        session = self._session
        if session.connection is not connection.connection:
            session.begin(connection.connection)
        session.uses += 1
        if session.uses == ENOUGH_USES:
            session.is_prepared = self._prepare_in(cursor, connection.connection)
        return session.is_prepared

    def _prepare_in(self, cursor: Any, driver: Any) -> bool:
        """Whether the session has it from now on: not one whose server is another than whom the driver was told of."""
        cursor.execute(
            "SELECT pg_backend_pid() = %s, EXISTS (SELECT FROM pg_prepared_statements WHERE name = %s)",
            [driver.info.backend_pid, self._name],
        )
        is_its_own, is_there = cursor.fetchone()
        if is_its_own and not is_there:
            cursor.execute(self._prepare)
        return bool(is_its_own)


class _Session(local):
    """The one that a thread has last met."""

    connection: Any = None
    uses = 0
    is_prepared = False

    def begin(self, connection: Any) -> None:
        self.connection, self.uses, self.is_prepared = connection, 0, False

"""Transactions that a handler began and did not end: what is written in them would be lost with the connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from django.db import Error as DatabaseLayerError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ...conf.backends import NOT_INSTALLED
from ...errors import HandlerError

_IN_TRANSACTION = (2, 3)
"""libpq's PQTRANS_INTRANS and PQTRANS_INERROR; a dead connection is neither."""


class HandlerTransactions:
    """The connections of this thread around calls of a handler: none may be deeper in a transaction after a call.

    Within ``with`` it notes whether there was a query, as looking at each connection costs as much as a small handler.
    Where the project manages every transaction itself (``AUTOCOMMIT``), it is left to that.
    """

    def __init__(self) -> None:
        self.were_used = False
        """Whether a query was sent since this was last False: otherwise there is nothing that could be lost."""
        self._before = [
            (connection, len(connection.atomic_blocks))
            for connection in _installed_connections()
            if connection.settings_dict["AUTOCOMMIT"]
        ]

    def __enter__(self) -> HandlerTransactions:
        for connection, _ in self._before:
            connection.execute_wrappers.append(self._note)
        return self

    def __exit__(self, *unused: object) -> None:
        for connection, _ in self._before:
            with suppress(ValueError):  # a handler may do anything
                connection.execute_wrappers.remove(self._note)

    def left_open(self) -> str | None:
        """The alias of a database in which one is open."""
        self.were_used = False
        return next((connection.alias for connection, depth in self._before if is_left_open(connection, depth)), None)

    def roll_back(self) -> str | None:
        """Leave none open, for the next message and for dead letters; the alias of a database where there was one."""
        found = None
        for connection, depth in self._before:
            try:
                # The driver of SQLite answers for no connection that was closed behind Django's back.
                with connection.wrap_database_errors:
                    if not is_left_open(connection, depth):
                        continue
                found = connection.alias
                _roll_back(connection, depth)
            except DatabaseLayerError:
                connection.close()
        return found

    def _note(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        self.were_used = True
        return execute(sql, params, many, context)


def is_left_open(connection: BaseDatabaseWrapper, depth: int) -> bool:
    """True where a block of ``atomic``, or a transaction besides those, is under way that was not before."""
    if connection.connection is None:
        return False
    if connection.in_atomic_block:
        return len(connection.atomic_blocks) > depth
    return not connection.autocommit or _has_begun(connection)


def _installed_connections() -> Iterator[BaseDatabaseWrapper]:
    for alias in connections:
        # A database that nothing here uses may have a driver that isn't installed here.
        with suppress(*NOT_INSTALLED):
            yield connections[alias]


def _roll_back(connection: BaseDatabaseWrapper, depth: int) -> None:
    blocks = connection.atomic_blocks[depth:]
    for block in reversed(blocks):
        block.__exit__(HandlerError, HandlerError("left open"), None)
    if not blocks:
        connection.rollback()
        connection.set_autocommit(True)


def _has_begun(connection: BaseDatabaseWrapper) -> bool:
    """Whether BEGIN was sent, as the driver knows without asking the server."""
    driver = connection.connection
    if connection.vendor == "sqlite":
        return bool(driver.in_transaction)
    if connection.vendor == "postgresql":
        # psycopg has pgconn, which is fast, and psycopg2 has info.
        return int((getattr(driver, "pgconn", None) or driver.info).transaction_status) in _IN_TRANSACTION
    return False

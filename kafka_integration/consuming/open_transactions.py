"""Transactions that a handler began and did not end: what is written in them would be lost with the connection."""

from __future__ import annotations

from contextlib import suppress

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseLayerError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..errors import HandlerError

Depths = list[tuple[BaseDatabaseWrapper, int]]
"""Connections, and how many blocks of ``atomic`` each is in."""

_IN_TRANSACTION = (2, 3)
"""libpq's PQTRANS_INTRANS and PQTRANS_INERROR; a dead connection is neither."""


def find_depths() -> Depths:
    """This thread's connections, open or not; without those where the project manages every transaction itself."""
    found: Depths = []
    for alias in connections:
        # A database that nothing here uses may have a driver that isn't installed here.
        with suppress(ImproperlyConfigured):
            connection = connections[alias]
            if connection.settings_dict["AUTOCOMMIT"]:
                found.append((connection, len(connection.atomic_blocks)))
    return found


def is_left_open(connection: BaseDatabaseWrapper, depth: int) -> bool:
    """True where a block of ``atomic``, or a transaction besides those, is under way that was not before."""
    if connection.connection is None:
        return False
    if connection.in_atomic_block:
        return len(connection.atomic_blocks) > depth
    return not connection.autocommit or _has_begun(connection)


def roll_back_left_open(before: Depths) -> str | None:
    """Leave none behind, for the next message and for dead letters; the alias of a database where there was one."""
    found = None
    for connection, depth in before:
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

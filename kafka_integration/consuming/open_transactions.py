"""Transactions that a handler began itself and did not end: what it wrote in them would be lost with the connection."""

from __future__ import annotations

from django.db import Error as DatabaseLayerError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


def own_connections() -> list[BaseDatabaseWrapper]:
    """This thread's connections, open or not; without those where the project manages every transaction itself."""
    wrappers: list[BaseDatabaseWrapper] = [connections[alias] for alias in connections]
    return [wrapper for wrapper in wrappers if wrapper.settings_dict["AUTOCOMMIT"]]


def is_left_open(connection: BaseDatabaseWrapper) -> bool:
    """True where a transaction is under way that is not Django's ``atomic``."""
    if connection.connection is None or connection.in_atomic_block:
        return False
    return not connection.autocommit or _has_begun(connection)


def roll_back_left_open() -> None:
    """Leave no transaction of a failed handler behind, neither for the next message nor for its dead letter."""
    for connection in own_connections():
        try:
            if is_left_open(connection):
                connection.rollback()
                connection.set_autocommit(True)
        except DatabaseLayerError:
            connection.close()


def _has_begun(connection: BaseDatabaseWrapper) -> bool:
    """Whether BEGIN was sent, as the driver knows without asking the server."""
    driver = connection.connection
    if connection.vendor == "sqlite":
        return bool(driver.in_transaction)
    if connection.vendor == "postgresql":
        # psycopg has pgconn, which is fast, and psycopg2 has info; 0 is idle in both.
        return int((getattr(driver, "pgconn", None) or driver.info).transaction_status) != 0
    return False

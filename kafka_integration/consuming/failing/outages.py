"""Telling an outage from a bad message: by its code, not by its class.

An outage is waited for and uses no attempt; everything else is the message's own failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import Error as DatabaseLayerError
from django.db import InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ...errors import BrokerError, BrokerUnavailableError, ProduceTimeoutError, SchemaUnavailableError
from ...exception_chains import links, sqlstate_of
from ...summaries import attribute_of
from .origins import connections_behind, left_its_connection_open

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_OUTAGE_CLASSES = ("08",)
_OUTAGE_STATES = frozenset({"57P01", "57P02", "57P03", "57P05", "53100", "53300", "25006"})
# The server is there and says itself that it takes no work: it starts, is full, or may not write. No message is to
# blame for that, and no dead letter could be written either.
_REFUSAL_STATES = frozenset({"57P03", "53100", "53300", "25006"})
_CONFLICT_STATES = frozenset({"40001", "40P01", "55P03"})
_SQLITE_BUSY, _SQLITE_LOCKED, _SQLITE_READONLY, _SQLITE_FULL = 5, 6, 8, 13


def is_outage(error: BaseException) -> bool:
    """True if the database, the broker or the schema registry is away: the same work can succeed later, unchanged."""
    return any(_is_outage_itself(link) for link in links(error)) or _lost_its_connection(error)


def is_conflict(error: BaseException) -> bool:
    """True for a deadlock, a serialization failure, a lock that could not be had: run the transaction again."""
    return any(_is_conflict_itself(link) for link in links(error))


def was_idle_too_long(error: BaseException) -> bool:
    """True where the server ended a session that did nothing in its transaction: a handler's doing, but at COMMIT."""
    return any(sqlstate_of(link) == "25P03" for link in links(error))


def is_setback(error: BaseException) -> bool:
    """True for either: what failed may be done again, unchanged."""
    return is_conflict(error) or is_outage(error)


def refuses_work(error: BaseException) -> bool:
    """True where the server says that it is starting, full or read-only: however long, no message is to blame."""
    return any(_is_refusal_itself(link) for link in links(error))


def cause_of(outage: Exception) -> BaseException:
    """What in the chain says by its class what is wrong: ``DiskFull``, where Django says ``OperationalError``."""
    return next(filter(_is_outage_itself, links(outage)), outage)


def databases_of(error: BaseException) -> frozenset[str]:
    """The aliases of the databases that an outage is about; empty where it is the broker's."""
    chain = list(links(error))
    behind = {connection.alias for link in chain for connection in connections_behind(link)}
    if not behind and any(isinstance(link, DatabaseLayerError) or sqlstate_of(link) for link in chain):
        # It was made by hand, or came from another process: it may be any of them.
        behind = {connection.alias for connection in _connections_in_use()}
    return frozenset(behind)


def first_away(aliases: Iterable[str]) -> str | None:
    """Which of these databases doesn't answer this thread; dead connections are dropped on the way."""
    return next((alias for alias in sorted(aliases) if not _answers(connections[alias])), None)


def _answers(connection: BaseDatabaseWrapper) -> bool:
    try:
        connection.close_if_unusable_or_obsolete()
        connection.ensure_connection()
        if connection.is_usable():
            return True
        connection.close()
    except DatabaseLayerError:
        pass
    return False


def _is_outage_itself(error: BaseException) -> bool:
    state = sqlstate_of(error)
    if state is not None:
        return state in _OUTAGE_STATES or state[:2] in _OUTAGE_CLASSES
    if _is_refusal_itself(error) or isinstance(
        error, ProduceTimeoutError | BrokerUnavailableError | SchemaUnavailableError
    ):
        return True
    return isinstance(error, BrokerError) and error.retriable


def _is_refusal_itself(error: BaseException) -> bool:
    return sqlstate_of(error) in _REFUSAL_STATES or _is_sqlite(error, _SQLITE_READONLY, _SQLITE_FULL)


def _is_conflict_itself(error: BaseException) -> bool:
    return sqlstate_of(error) in _CONFLICT_STATES or _is_sqlite(error, _SQLITE_BUSY, _SQLITE_LOCKED)


def _is_sqlite(error: BaseException, *codes: int) -> bool:
    """True for one of SQLite's primary codes; extended ones have it in their lowest byte."""
    code = attribute_of(error, "sqlite_errorcode")
    return isinstance(code, int) and code & 0xFF in codes


def _lost_its_connection(error: BaseException) -> bool:
    """A driver that lost its server often has no code to give."""
    chain = list(links(error))
    if any(sqlstate_of(link) for link in chain):
        return False
    # Whatever the server says has a code. But a driver has complaints of its own, about what it was given: then the
    # connection is there still. It can't be asked by its alias: leaving atomic() Django makes a new one.
    if any(_is_of_the_driver(link) for link in chain):
        return not any(left_its_connection_open(link) for link in chain)
    if not any(isinstance(link, OperationalError | InterfaceError) for link in chain):
        return False
    return any(map(_is_dead, _connections_in_use()))


def _is_of_the_driver(link: BaseException) -> bool:
    wrappers: Sequence[Any] = connections.all(initialized_only=True)
    return any(isinstance(link, each.Database.OperationalError) for each in wrappers if each.vendor == "postgresql")


def _connections_in_use() -> list[BaseDatabaseWrapper]:
    """Those that are open or met an error, and no database that has nothing to do with this consumer."""
    return [c for c in connections.all(initialized_only=True) if c.connection is not None or c.errors_occurred]


def _is_dead(connection: BaseDatabaseWrapper) -> bool:
    if connection.vendor == "sqlite":
        return False
    try:
        if connection.connection is None:
            connection.ensure_connection()
            return False
        return not connection.is_usable()
    except DatabaseLayerError:
        return True

"""Which connection a database error came through. Django doesn't say; the traceback passes through its wrappers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.utils import DatabaseErrorWrapper

from ...summaries import attribute_of


def connections_behind(error: BaseException) -> list[BaseDatabaseWrapper]:
    """Django's connections that the exception passed through, each once; none where it was made by hand."""
    return list(dict.fromkeys(connection for connection, _ in _passed(error)))


def left_its_connection_open(error: BaseException) -> bool:
    """True if it came out of a cursor whose connection is there still, as the driver knows without asking."""
    return any(cursor is not None and _is_open(cursor) for _, cursor in _passed(error))


def _passed(error: BaseException) -> Iterator[tuple[BaseDatabaseWrapper, Any]]:
    traceback = attribute_of(error, "__traceback__")
    while traceback is not None:
        place = traceback.tb_frame.f_locals.get("self")
        # By their types: isinstance would have a lazy object made, in whose making this may have been raised.
        if issubclass(type(place), CursorWrapper):
            yield place.db, place.cursor
        elif issubclass(type(place), DatabaseErrorWrapper):
            yield place.wrapper, None
        elif issubclass(type(place), BaseDatabaseWrapper):
            yield place, None
        traceback = traceback.tb_next


def _is_open(cursor: Any) -> bool:
    driver = getattr(cursor, "connection", None)
    # psycopg says True or False, psycopg2 a number.
    return driver is not None and not getattr(driver, "closed", True)

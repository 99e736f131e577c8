"""What a message says of a row: the values of its columns, and the key by which it is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from ..errors import RowError
from .changes import Key, Row
from .columns import Column
from .target import Shape


def row_of(given: Any, key: Any, shape: Shape, connection: BaseDatabaseWrapper) -> Row:
    """The row that the value of a message makes; ``RowError`` if it makes none."""
    if not isinstance(given, Mapping):
        raise RowError(
            f"the value is of type {type(given).__name__} and has to be a JSON object, by field: give the consumer "
            '"value_deserializer": "json", or the sink a method row(message)'
        )
    try:
        values = [column.of(given[column.name], connection) for column in shape.given]
    except KeyError as error:
        missing = [column.name for column in shape.given if column.name not in given]
        if not missing:
            raise
        raise RowError(f"the value lacks {', '.join(missing)}") from error
    if shape.from_key is not None:
        values.append(shape.from_key.of(_part_of(key, shape.from_key), connection))
    row_key = tuple([values[place] for place in shape.match_places])
    if None in row_key:
        raise RowError("a field by which rows are matched is null, which equals no row: give it a value")
    version = None if shape.version is None else shape.version.read(given[shape.version.name])
    return Row(row_key, values, shape, version)


def key_of(key: Any, match: Sequence[Column], connection: BaseDatabaseWrapper) -> Key:
    """The key of the row that the key of a message names; ``RowError`` if it names none."""
    if len(match) > 1 and not isinstance(key, Mapping):
        raise RowError(
            f"the message's key is of type {type(key).__name__}, and a row is found by "
            f"{', '.join(column.name for column in match)}: it has to be a JSON object of these"
        )
    return tuple([column.of(_part_of(key, column), connection) for column in match])


def _part_of(key: Any, column: Column) -> Any:
    """The key is the value of the field, or an object that has it under its name."""
    if isinstance(key, Mapping):
        if column.name not in key:
            raise RowError(f"the message's key lacks {column.name}, by which a row is found")
        key = key[column.name]
    if key is None:
        raise RowError(f"the message has no key, which would be the {column.name} of its row")
    return key

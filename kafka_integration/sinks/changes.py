"""What the messages of a batch do to a table, in as few steps as end the same as one after the other."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .target import Shape

Key = tuple[Any, ...]


class Row(NamedTuple):
    """A row to be written: the values of the first of ``shape.fields``, as the database takes them."""

    key: Key
    values: list[Any]
    shape: Shape
    version: Any = None


class Tombstone(NamedTuple):
    """The row of this key is to go."""

    key: Key


@dataclass(slots=True)
class Step:
    """First these rows are deleted, then these are written: no key is among either twice."""

    deleted: dict[Hashable, Key] = field(default_factory=dict)
    rows: dict[Hashable, Row] = field(default_factory=dict)

    @property
    def shapes(self) -> dict[Shape, list[Row]]:
        by_shape: dict[Shape, list[Row]] = {}
        for row in self.rows.values():
            by_shape.setdefault(row.shape, []).append(row)
        return by_shape


def steps_of(changes: Iterable[Row | Tombstone], *, may_replace: bool) -> list[Step]:
    """The changes in their order.

    With ``may_replace`` a later change takes the place of an earlier one of its key, and keys have no order among
    each other: so it must not matter to one row what another one holds.
    """
    take = _take_or_replace if may_replace else _take_in_order
    steps = [Step()]
    for change in changes:
        if not take(steps[-1], change):
            steps.append(Step())
            take(steps[-1], change)
    return steps


def _take_or_replace(step: Step, change: Row | Tombstone) -> bool:
    """Make the change part of the step; False if it has to be in one of its own."""
    key = _hashable(change.key)
    if isinstance(change, Tombstone):
        # It forgets the version, too: what comes next begins anew.
        step.rows.pop(key, None)
        step.deleted[key] = change.key
        return True
    found = step.rows.get(key)
    # What an earlier row has and a later one hasn't would stay, if that isn't too old to be written at all.
    if found is not None and found.shape is not change.shape:
        return False
    if found is None or not _is_older(change, found):
        step.rows[key] = change
    return True


def _take_in_order(step: Step, change: Row | Tombstone) -> bool:
    key = _hashable(change.key)
    if isinstance(change, Tombstone):
        if step.rows:
            return False
        step.deleted[key] = change.key
        return True
    last = next(reversed(step.rows.values()), None)
    if step.deleted or key in step.rows or (last is not None and last.shape is not change.shape):
        return False
    step.rows[key] = change
    return True


def _is_older(row: Row, than: Row) -> bool:
    if than.version is None:
        return False
    return row.version is None or bool(row.version < than.version)


def _hashable(key: Key) -> Hashable:
    try:
        hash(key)
    except TypeError:
        return repr(key)
    return key

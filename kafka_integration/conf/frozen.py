"""Mappings that don't change, for settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

V = TypeVar("V")


class FrozenMapping(Mapping[str, V], Generic[V]):
    """A mapping that doesn't change and can be hashed, so that settings can be compared and used as keys."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, V]) -> None:
        self._items = dict(items)

    def __getitem__(self, key: str) -> V:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items))

    def __repr__(self) -> str:
        return repr(self._items)


class RawProperties(FrozenMapping[Any]):
    """A ``"config"``, whose repr has the names only: debug pages and error trackers show what a frame holds."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<RawProperties {', '.join(sorted(self))}>"


EMPTY: FrozenMapping[Any] = FrozenMapping({})

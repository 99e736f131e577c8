"""What the driver of the mixed hour knows: what it did, to whom, from when to when."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from time import monotonic

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(kw_only=True)
class Deed:
    """Something that was done, by the monotonic clock; without a consumer it is done to all of them."""

    kind: str
    began_at: float
    ended_at: float = inf
    consumer: str | None = None
    place: Place | None = None
    offset: int | None = None
    pid: int | None = None

    def covers(self, at: float, *, after_seconds: float = 0.0) -> bool:
        """Whether it lasted then, or had ended so few seconds before."""
        return self.began_at <= at <= self.ended_at + after_seconds

    def concerns(self, consumer: str | None, place: Place | None) -> bool:
        """Whether it may show there; what isn't said can't differ."""
        same_consumer = None in (self.consumer, consumer) or self.consumer == consumer
        return same_consumer and (None in (self.place, place) or self.place == place)


class Truth:
    """All deeds; any thread may add some."""

    def __init__(self) -> None:
        self.began_at = monotonic()
        self.deeds: list[Deed] = []
        self._lock = threading.Lock()

    @contextmanager
    def doing(self, kind: str, **facts: object) -> Iterator[Deed]:
        """The deed lasts as long as the block."""
        deed = Deed(kind=kind, began_at=monotonic(), **facts)  # type: ignore[arg-type]  # the caller names its fields
        with self._lock:
            self.deeds.append(deed)
        try:
            yield deed
        finally:
            deed.ended_at = monotonic()

    def of(self, *kinds: str) -> list[Deed]:
        """The deeds of these kinds, the first of them first."""
        with self._lock:
            return [deed for deed in self.deeds if deed.kind in kinds]

    def was(
        self,
        *kinds: str,
        at: float,
        after_seconds: float,
        consumer: str | None = None,
        place: Place | None = None,
    ) -> bool:
        """Whether one of these was going on there then, or had just ended."""
        return any(
            deed.covers(at, after_seconds=after_seconds) and deed.concerns(consumer, place) for deed in self.of(*kinds)
        )

"""Which leader wrote the message before an offset (KIP-320).

An offset alone doesn't tell whether the messages before it are still those that were read. After an unclean leader
election others may stand there, and have passed the offset. Told the epoch, the broker says where the log was cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

KEPT = 8
"""Epochs of a partition: whoever is further behind than so many leaders isn't told of a cut."""


class LeaderEpochs:
    """What one client has seen of its partitions; its thread's own."""

    def __init__(self) -> None:
        self._trails: dict[tuple[str, int], _Trail] = {}

    def note(self, coordinates: tuple[str, int], raws: list[Any]) -> None:
        """These messages of a partition were fetched, in their order."""
        self._trail(coordinates).note(raws)

    def remember(self, coordinates: tuple[str, int], offset: int, epoch: int | None) -> None:
        """The group committed ``offset``, with this epoch if with any; what was seen here counts for more."""
        trail = self._trail(coordinates)
        if epoch is not None and epoch >= 0 and not trail.covers(offset):
            trail.add(offset - 1, epoch)

    def of(self, coordinates: tuple[str, int], offset: int) -> int | None:
        """The epoch in which the message before ``offset`` was written; None if it was not seen."""
        trail = self._trails.get(coordinates)
        return None if trail is None else trail.of(offset)

    def forget(self, coordinates: Iterable[tuple[str, int]]) -> None:
        for place in coordinates:
            self._trails.pop(place, None)

    def _trail(self, coordinates: tuple[str, int]) -> _Trail:
        return self._trails.setdefault(coordinates, _Trail())


class _Trail:
    """Where the epochs of one partition begin."""

    def __init__(self) -> None:
        self._begins: deque[tuple[int, int]] = deque(maxlen=KEPT)
        self._last = -1

    def note(self, raws: list[Any]) -> None:
        # A run is of one epoch, nearly always.
        if raws[-1].leader_epoch() == raws[0].leader_epoch():
            raws = [raws[0], raws[-1]]
        for raw in raws:
            if (epoch := raw.leader_epoch()) is not None:
                self.add(raw.offset(), epoch)

    def add(self, offset: int, epoch: int) -> None:
        if not self._begins or self._begins[-1][1] != epoch:
            self._begins.append((offset, epoch))
        self._last = offset

    def covers(self, offset: int) -> bool:
        return offset - 1 <= self._last

    def of(self, offset: int) -> int | None:
        # Beyond the last message are markers of transactions, which another leader may have written.
        if not self.covers(offset):
            return None
        return next((epoch for begin, epoch in reversed(self._begins) if begin < offset), None)

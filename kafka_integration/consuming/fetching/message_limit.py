"""How many messages a run has still to finish: ``--max-messages``."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..offsets.ledger import Ledger
from ..ordering.stream import State
from ..partition import Partition


@dataclass(slots=True)
class _Taken:
    """What was taken of a partition under one ledger."""

    ledger: Ledger
    unfinished: deque[list[int]] = field(default_factory=deque)
    """The offsets of each run that was taken: a whole run is counted at once."""
    leaves_out: bool = False
    """There was no room for all that came: what follows has to be fetched again before it is taken."""


class MessageLimit:
    """Each message counts once, when it is finished; the loop thread's own.

    What was taken and not finished, because the partition went to somebody else or has to begin again, leaves room for
    as many others. ``messages`` is None where there is no limit.
    """

    def __init__(self, messages: int | None) -> None:
        self.is_limited = messages is not None
        self._left = messages or 0
        self._taken: dict[Partition, _Taken] = {}

    @property
    def is_reached(self) -> bool:
        return self.is_limited and self._left == 0

    def take(self, partition: Partition, raws: list[Any]) -> list[Any]:
        """The first of these messages, as many as there is room for."""
        if not self.is_limited:
            return raws
        taken = self._taken.setdefault(partition, _Taken(partition.ledger))
        allowed = [] if taken.leaves_out else raws[: self._room]
        if allowed:
            taken.unfinished.append([raw.offset() for raw in allowed])
        taken.leaves_out |= len(allowed) < len(raws)
        return allowed

    def leaves_out(self, partition: Partition | None) -> bool:
        """Whether messages of the partition came that were not taken."""
        return partition in self._taken and self._taken[partition].leaves_out

    def settle(self, owned: Iterable[Partition]) -> list[Partition]:
        """Count what was finished; of those that are ours, the ones with something left out and room for it again."""
        if not self.is_limited:
            return []
        still_ours = set(owned)
        for partition, taken in list(self._taken.items()):
            has_begun_again = partition.ledger is not taken.ledger
            self._count(taken, max(taken.ledger.finished or 0, partition.ledger.finished or 0))
            if has_begun_again or partition not in still_ours:
                # What is finished beyond the floor isn't handled again.
                beyond = {*taken.ledger.finished_beyond()}
                self._left -= sum(offset in beyond for run in taken.unfinished for offset in run)
                del self._taken[partition]
        if not self._room:
            return []
        return [p for p, taken in self._taken.items() if taken.leaves_out and p.state is State.ACTIVE]

    @property
    def _room(self) -> int:
        return self._left - sum(len(run) for taken in self._taken.values() for run in taken.unfinished)

    def _count(self, taken: _Taken, finished: int) -> None:
        runs = taken.unfinished
        while runs and runs[0][-1] < finished:
            self._left -= len(runs.popleft())
        if runs and (count := bisect_left(runs[0], finished)):
            del runs[0][:count]
            self._left -= count

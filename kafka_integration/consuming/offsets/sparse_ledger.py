"""The ledger of a partition whose messages are finished in any order: a floor, and what is finished beyond it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Sequence

from ...message import Message, RawMessage
from .ledger import Ledger


class SparseLedger(Ledger):
    """The floor is the lowest unfinished offset; it alone is committed, and what is finished beyond is noted with it.

    Any number of threads finish: they only append, and whoever wants to know sorts it in, under a lock.
    """

    __slots__ = ("_done", "_fresh", "_lock", "_open")

    def __init__(
        self,
        start: int | None = None,
        committed: int | None = None,
        finished_beyond: Collection[int] = (),
        beyond_epoch: int | None = None,
    ) -> None:
        super().__init__(start, committed, finished_beyond, beyond_epoch)
        self._lock = threading.Lock()
        self._fresh: deque[Message] = deque()
        self.finish = self._fresh.append
        """This message is finished, whatever those before it are."""
        self._open: deque[int] = deque()
        """The offsets taken from the floor on, in order, be they finished or not."""
        self._done: set[int] = set()
        """Those of them that are finished."""

    def take(self, next_offset: int, raws: Sequence[RawMessage] | None = None) -> None:
        offsets = [raw.offset() or 0 for raw in raws or ()]
        with self._lock:
            passed = {offset for offset in self._finished_beyond if offset < next_offset}
            self._finished_beyond -= passed
            self._done |= passed
            self._open.extend(sorted([*offsets, *passed]) if passed else offsets)
            super().take(next_offset)

    @property
    def finished(self) -> int | None:
        with self._lock:
            self._settle()
            return self._open[0] if self._open else self.taken

    @property
    def ahead(self) -> int:
        with self._lock:
            self._settle()
            return len(self._open)

    def finished_beyond(self) -> list[int]:
        with self._lock:
            self._settle()
            return sorted(self._done | self._finished_beyond)

    def _settle(self) -> None:
        fresh, unsettled, done = self._fresh, self._open, self._done
        while fresh:
            done.add(fresh.popleft().offset)
        while unsettled and unsettled[0] in done:
            done.remove(unsettled.popleft())

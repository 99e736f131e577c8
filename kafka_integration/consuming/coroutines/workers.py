"""Coroutines that work on one event loop, what each has in hand, and the thread for what they await."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from math import inf
from typing import Any

from ..lanes.event_loop import EventLoop
from ..lanes.turns import Turns
from ..ordering.chunk import Chunk
from ..ordering.line import Line
from .partition_turns import PartitionTurns
from .side_thread import HandlersCalls, SideThread

Hand = tuple[Line, Any, Chunk]
"""What a worker has in hand, as those whose turn it was gave it: of this line, and what is to be done of it."""
Routine = Callable[["Workers"], Coroutine[Any, Any, None]]


class Workers:
    """At most ``size`` tasks of one event loop, each of which runs ``routine`` until nothing is ready.

    ``lock`` is that of the ``turns``, and is held by whoever calls a method, but for those that say otherwise.
    """

    def __init__(
        self,
        name: str,
        size: int,
        routine: Routine,
        *,
        turns: PartitionTurns | Turns,
        lock: threading.Lock,
        path: str,
    ) -> None:
        self._name, self._size, self._path = name, size, path
        self._routine = routine
        self._turns = turns
        self._lock = lock
        self._tasks: set[asyncio.Task[None]] = set()
        self._hands: dict[asyncio.Task[None], Hand] = {}
        self.sync = self._make_thread()
        self.loop = EventLoop(name, HandlersCalls(self.sync, path=path))
        self._is_hiring = self._is_retired = False
        self._looks_at = inf

    @property
    def count(self) -> int:
        return len(self._tasks)

    @property
    def is_busy(self) -> bool:
        return bool(self._hands)

    def hire(self) -> None:
        """Have more at work, where that is worth while and there may be."""
        if len(self._tasks) < self._size and not self._is_hiring:
            self._is_hiring = True
            self.loop.call(partial(self._hire, 1))

    def begin(self) -> None:
        """One worker more; on the loop itself."""
        self._tasks.add(self.loop.begin(self._routine(self)))

    def retire(self) -> None:
        """Let those that have something in hand end that, and nobody begin anything."""
        self._is_retired = True

    def take(self, task: asyncio.Task[None], hand: Hand) -> None:
        self._hands[task] = hand

    def give_back(self, task: asyncio.Task[None]) -> bool:
        """The worker has nothing in hand any more; False where that was taken from it."""
        return self._hands.pop(task, None) is not None

    def end(self, task: asyncio.Task[None]) -> None:
        """The worker has no more to do."""
        self._tasks.discard(task)

    def take_away(self, line: Line) -> None:
        """Cancel those that have something of this line in hand, however that ends: others may take their places."""
        for task in [task for task, hand in self._hands.items() if hand[0] is line]:
            del self._hands[task]
            self._tasks.discard(task)
            self.loop.call(task.cancel)

    def look_again_at(self, at: float) -> None:
        """When the first backoff is over; on the loop itself."""
        if at < self._looks_at:
            self._looks_at = at
            self.loop.call_at(at, self._look_again)

    # Without the lock

    def _hire(self, most: int) -> None:
        """One that looks; then twice as many each time, as those that wait for nothing leave nothing to others."""
        with self._lock:
            count = min(max(self._turns.ready, int(most == 1)), most, self._size - len(self._tasks))
            if count <= 0 or self._is_retired:
                self._is_hiring = False
                self.look_again_at(self._turns.due_at)
                return
            for _ in range(count):
                self.begin()
        self.loop.call(partial(self._hire, 2 * most))

    def _look_again(self) -> None:
        with self._lock:
            self._looks_at = inf
            self.hire()

    def replace_stuck_thread(self, seconds: float) -> SideThread | None:
        """The thread beside the loop, where it doesn't answer within so many seconds; another one goes on."""
        if self.sync.answers(seconds):
            return None
        stuck, self.sync = self.sync, self._make_thread()
        self.loop.call(partial(self.loop.use, HandlersCalls(self.sync, path=self._path)))
        stuck.leave(self.sync)
        return stuck

    def close(self) -> None:
        """End the loop, with what handlers have left on it, and the thread beside it."""
        self.loop.stop()
        self.sync.close()

    def join(self, timeout: float) -> bool:
        return self.loop.join(timeout) and self.sync.join(timeout)

    def _make_thread(self) -> SideThread:
        return SideThread(f"{self._name}-sync", is_done=lambda: not self.is_busy)

"""Coroutines that work on one event loop, what each has in hand, and the thread for what they await."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from math import inf
from typing import Any

from ..lanes.event_loop import EventLoop
from ..line import Chunk, Line
from .side_thread import HandlersCalls, SideThread

Hand = tuple[Line, Any, Chunk]
"""What a worker has in hand, as those whose turn it was gave it: of this line, and what is to be done of it."""
Routine = Callable[["Workers"], Coroutine[Any, Any, None]]


class Workers:
    """The workers of one event loop. Whoever has them has a lock around the methods that say so."""

    def __init__(self, name: str, *, path: str) -> None:
        self._name, self._path = name, path
        self.sync = SideThread(f"{name}-sync")
        self.loop = EventLoop(name, HandlersCalls(self.sync, path=path))
        self._tasks: set[asyncio.Task[None]] = set()
        self._hands: dict[asyncio.Task[None], Hand] = {}
        self._is_hiring = False
        self._looks_at = inf

    # Under the lock

    @property
    def count(self) -> int:
        return len(self._tasks)

    @property
    def is_busy(self) -> bool:
        return bool(self._hands)

    def may_hire(self) -> bool:
        """True for one who asks, until that has hired those that are needed."""
        was_hiring, self._is_hiring = self._is_hiring, True
        return not was_hiring

    def have_hired(self) -> None:
        self._is_hiring = False

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

    def looks_again_at(self, at: float) -> bool:
        """Whether that is to be seen to, as it is earlier than what was."""
        is_earlier = at < self._looks_at
        self._looks_at = min(at, self._looks_at)
        return is_earlier

    def look_again(self) -> None:
        self._looks_at = inf

    def begin(self, routine: Routine) -> None:
        """One worker more; on the loop itself."""
        self._tasks.add(self.loop.begin(routine(self)))

    # Without it

    def replace_stuck_thread(self, seconds: float) -> SideThread | None:
        """The thread beside the loop, where it doesn't answer within so many seconds; another one goes on."""
        if self.sync.answers(seconds):
            return None
        stuck, self.sync = self.sync, SideThread(f"{self._name}-sync")
        self.loop.call(partial(self.loop.use, HandlersCalls(self.sync, path=self._path)))
        stuck.leave(self.sync)
        return stuck

    def close(self) -> None:
        """End the loop, with what handlers have left on it, and the thread beside it."""
        self.loop.stop()
        self.sync.close()

    def join(self, timeout: float) -> bool:
        return self.loop.join(timeout) and self.sync.join(timeout)

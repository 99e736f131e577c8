"""An event loop in a thread of its own, on which async handlers run."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextlib import suppress
from contextvars import Context
from time import monotonic
from typing import Any

from asgiref.sync import AsyncToSync, SyncToAsync

from ...summaries import summarize

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 1.0


class EventLoop:
    """A loop in a thread, until it is closed.

    Without it ``async_to_sync`` makes a thread and a loop for each message, which is slow, and leaves a handler's
    pooled connections behind on a loop that is closed. What a handler awaits of the ORM runs in the thread that called
    ``async_to_sync``, and where nobody did, by ``executor``: asgiref sends it there.
    """

    def __init__(self, name: str, executor: Executor | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        self._is_closing = False
        self._asked_at: float | None = None
        if executor is not None:
            self.use(executor)
        self._thread = threading.Thread(target=self._run, name=f"{name}-event-loop", daemon=True)
        self._thread.start()

    def adopt_thread(self) -> None:
        """From now on ``async_to_sync`` in the calling thread runs on this loop.

        Where asgiref would not look here any more, it would make its own loop again: slower, and right.
        """
        SyncToAsync.threadlocal.main_event_loop = self._loop
        SyncToAsync.threadlocal.main_event_loop_pid = os.getpid()

    def use(self, executor: Executor) -> None:
        """From now on asgiref has it run what tasks of this loop await of synchronous code.

        Where asgiref would not look here any more, that would be one thread for the whole process: slower, and right.
        """
        executors: dict[asyncio.AbstractEventLoop, Any] = AsyncToSync.loop_thread_executors
        executors[self._loop] = executor

    def call(self, function: Callable[[], object]) -> None:
        """Have something run on the loop soon; any thread may ask. Nothing happens once it is closed."""
        # It is closed by another thread, perhaps this very moment.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function)

    def begin(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task in an empty context; on the loop itself."""
        return self._loop.create_task(coroutine, context=Context())

    def call_at(self, at: float, function: Callable[[], object]) -> None:
        """Have something run at this monotonic time; on the loop itself."""
        self._loop.call_later(max(0.0, at - monotonic()), function)

    def busy_seconds(self) -> float:
        """For how long it has been at one thing, at least; to be asked again and again, by one thread."""
        now, asked_at = monotonic(), self._asked_at
        if asked_at is not None:
            return now - asked_at
        self._asked_at = now
        self.call(self._answer)
        return 0.0

    def answers(self, seconds: float) -> bool:
        """Whether nothing that runs on it keeps it busy for longer than so many seconds."""
        answered = threading.Event()
        self.call(answered.set)
        return answered.wait(seconds)

    def close(self) -> None:
        """End the loop; tasks that handlers have left on it are cancelled."""
        self.stop()
        self._thread.join(CLOSE_SECONDS)

    def stop(self) -> None:
        """The same, without waiting for it."""
        self._is_closing = True
        self.call(self._loop.stop)

    def join(self, timeout: float) -> bool:
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _answer(self) -> None:
        self._asked_at = None

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            while not self._is_closing:
                try:
                    self._loop.run_forever()
                except BaseException as error:  # noqa: BLE001 - SystemExit in a task too, and a lane waits for us
                    logger.error("a task that a handler left behind failed: %s", summarize(error))
            self._end_tasks()
        finally:
            AsyncToSync.loop_thread_executors.pop(self._loop, None)
            self._loop.close()

    def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=CLOSE_SECONDS / 2))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())

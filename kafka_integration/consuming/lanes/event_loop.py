"""The event loop of a lane, on which its async handlers run one after the other."""

from __future__ import annotations

import asyncio
import logging
import os
import threading

from asgiref.sync import SyncToAsync

from ...summaries import summarize

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 1.0


class LaneEventLoop:
    """A loop in a thread beside the lane's, for as long as the lane lives.

    Without it ``async_to_sync`` makes a thread and a loop for each message, which is slow, and leaves a handler's
    pooled connections behind on a loop that is closed. What a handler awaits of the ORM still runs in the lane's own
    thread: asgiref sends it there, into the lane's transaction.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name=f"{name}-event-loop", daemon=True)
        self._thread.start()

    def adopt_thread(self) -> None:
        """From now on ``async_to_sync`` in the calling thread runs on this loop.

        Where asgiref would not look here any more, it would make its own loop again: slower, and right.
        """
        SyncToAsync.threadlocal.main_event_loop = self._loop
        SyncToAsync.threadlocal.main_event_loop_pid = os.getpid()

    def close(self) -> None:
        """End the loop; tasks that handlers have left on it are cancelled."""
        self._is_closing = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_SECONDS)

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
            self._loop.close()

    def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=CLOSE_SECONDS / 2))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())

"""What is done beside the event loop, besides messages: replays, retention, a look at the loop itself."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ...dead_letters.retention import Retention
from ..lanes.event_loop import EventLoop
from .side_tasks import SideTasks
from .side_thread import SideThread

logger = logging.getLogger(__name__)

BLOCKED_SECONDS = 1.0
"""After how long at one thing an operator is told."""


class Watch:
    """Warns, once for a consumer, of a handler that keeps the event loop from all others."""

    def __init__(self, consumer: str, path: str) -> None:
        self._consumer, self._path = consumer, path
        self._has_warned = False

    def look(self, loop: EventLoop) -> None:
        seconds = loop.busy_seconds()
        if seconds >= BLOCKED_SECONDS and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "consumer %s: %s has kept its event loop busy for %.1f s, and all its other messages waiting: let it "
                "await what takes long, or give that to asyncio.to_thread; this is said once",
                self._consumer, self._path, seconds,
            )  # fmt: skip


class Beside:
    """A thread with the tasks of one consumer; ``loop`` is the one that its handlers run on at the moment."""

    def __init__(
        self,
        consumer: str,
        tasks: SideTasks,
        retention: Retention,
        watch: Watch,
        *,
        loop: Callable[[], EventLoop],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self.tasks = tasks
        self._retention = retention
        self._watch = watch
        self._loop = loop
        self._on_fault = on_fault
        self.thread = SideThread(f"{consumer}-beside", self._look_around)

    def _look_around(self) -> None:
        loop = self._loop()
        try:
            self._watch.look(loop)
            self._retention.keep_if_due()
            # What is replayed runs on the same loop as all else.
            loop.adopt_thread()
            self.tasks.run()
        except BaseException as fault:  # noqa: BLE001 - the top of a thread, which others wait for
            self._on_fault(fault)

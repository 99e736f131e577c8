"""The process of ``runconsumer``: consumers in threads, signals, the deadline, the exit status."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from types import FrameType

from ..conf.values import ConsumerSettings
from ..consuming.assembly import assemble
from ..consuming.loop import ConsumerLoop, Phase

logger = logging.getLogger(__name__)

STOPPED, FAILED, FORCED = 0, 1, 3
LOOK_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What the command line asks of a run."""

    until_caught_up: bool = False
    max_messages: int | None = None


class StopRequest:
    """Set by SIGTERM or SIGINT; the second one ends the process at once.

    The handler sets a flag and returns: Python runs it between two instructions of the main thread.
    """

    def __init__(self) -> None:
        self.is_made = False
        self.before_force: Callable[[], None] = _nothing
        """What a second signal does before it ends the process."""
        self._parent: int | None = None
        # Not an Event: a handler that interrupts the main thread inside `wait` would wait for its lock for ever.
        self._wake_ups: SimpleQueue[None] = SimpleQueue()

    def install(self) -> None:
        """To be called in the main thread, the only one that may."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def follow(self, parent: int) -> None:
        """Stop when the process ``parent``, which forked this one, is gone."""
        self._parent = parent

    def wait(self, timeout: float) -> bool:
        """True as soon as the request is made, False after ``timeout`` seconds."""
        if not self.is_made:
            with suppress(Empty):
                self._wake_ups.get(timeout=timeout)
        if self._parent not in (None, os.getppid()) and not self.is_made:
            logger.error("the parent process is gone, stopping")
            self.is_made = True
        return self.is_made

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.is_made:
            self.before_force()
            os._exit(FORCED)
        self.is_made = True
        self._wake_ups.put(None)


def _nothing() -> None:
    """A second signal needs no preparation where there are no children."""


def run_consumers(consumers: Sequence[ConsumerSettings], options: RunOptions, stop: StopRequest) -> int:
    """Run consumers until they are stopped, done or one fails; the process's exit status.

    One that fails ends them all: the others drain first. What is still running at the longest
    ``shutdown_grace_seconds`` is left behind, uncommitted, and the status says so.
    """
    loops = [
        ConsumerLoop(assemble(c), until_caught_up=options.until_caught_up, max_messages=options.max_messages)
        for c in consumers
    ]
    threads = [threading.Thread(target=loop.run, name=f"consumer-{loop.settings.name}", daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    while not stop.wait(LOOK_SECONDS):
        if any(loop.fault for loop in loops) or not any(thread.is_alive() for thread in threads):
            break
    return _finish(loops, threads)


def _finish(loops: list[ConsumerLoop], threads: list[threading.Thread]) -> int:
    for loop in loops:
        loop.stop()
    deadline = monotonic() + max(loop.settings.shutdown_grace_seconds for loop in loops)
    for thread in threads:
        thread.join(max(0.0, deadline - monotonic()))
    _log_faults(loops)
    late = [loop.settings.name for loop in loops if loop.phase is not Phase.STOPPED]
    if late:
        logger.error("the grace period is over, leaving with work unfinished in: %s", ", ".join(late))
        return FORCED
    return FAILED if any(loop.fault for loop in loops) else STOPPED


def _log_faults(loops: Iterable[ConsumerLoop]) -> None:
    for loop in loops:
        if loop.fault is not None:
            logger.error("consumer %s failed: %s", loop.settings.name, loop.fault or repr(loop.fault))

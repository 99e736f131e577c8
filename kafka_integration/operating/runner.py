"""The process of ``runconsumer``: consumers in threads, signals, the deadline, the exit status."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
        self._event = threading.Event()

    def install(self) -> None:
        """To be called in the main thread, the only one that may."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def wait(self, timeout: float) -> bool:
        return self._event.wait(timeout)

    @property
    def is_made(self) -> bool:
        return self._event.is_set()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._event.is_set():
            os._exit(FORCED)
        self._event.set()


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

"""Children of a process that has opened nothing yet, and how one of them is had beside the others."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from .leaving import leave
from .stopping import SIGNALS, StopRequest

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 10.0


def fork(work: Callable[[StopRequest], int]) -> int:
    """The id of a child that does the work, and ends with the status that this returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    # Until the child has a request of its own, a signal to it would be noted in a copy of ours, and forgotten.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    pid = os.fork()
    if pid == 0:
        stop = StopRequest(parent=parent)
        stop.install()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        # Not os._exit: what was registered to happen at the end of a process belongs to each child.
        leave(work(stop))
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid


class Companion:
    """A child that no other waits for: it is started again whenever it has ended, and is the last to be ended."""

    def __init__(self, work: Callable[[int], None]) -> None:
        self._work = work
        self._pid = 0
        self._start_at = 0.0

    def look_after(self) -> None:
        """Start it, where there is none; call it every now and then."""
        if self._pid and os.waitpid(self._pid, os.WNOHANG)[0]:
            logger.error("the process that answers for metrics and health has ended; another one starts")
            self._pid = 0
        if not self._pid and monotonic() >= self._start_at:
            self._start_at = monotonic() + AGAIN_SECONDS
            self._pid = fork(self._run)

    def end(self) -> None:
        """It has nothing to finish."""
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._pid = 0

    def _run(self, stop: StopRequest) -> int:
        # A terminal or an init system signals all processes, and this one is asked until the last of the others ends.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self._work(os.getppid())
        return 0

"""``--processes N``: a parent that forks workers, keeps them running and passes signals on."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from ..retrying import Backoff
from .forking import Companion, fork
from .leaving import BEHIND, FAILED, STOPPED
from .stopping import FORCED, StopRequest

logger = logging.getLogger(__name__)

PAUSES = Backoff(first_seconds=1.0, longest_seconds=31.0)
"""Less the first second: at once the first time, and after half a minute in the end."""
HEALTHY_SECONDS = 60.0
AS_ASKED = 64
"""What a worker that stopped as asked ends with; 0 is left by whatever calls ``os._exit`` in its middle."""
OVERTIME_SECONDS = 5.0
"""Workers keep the grace period themselves; this much later the parent ends one that can't."""
_VANISHED = "ended in its middle with status 0, without a word: something in it calls os._exit"


@dataclass
class _Worker:
    number: int
    pid: int = 0
    started_at: float = 0.0
    deaths: int = 0
    start_at: float = 0.0


class Processes:
    """Forks ``count`` workers. The parent opens no connection, client or thread: they would not survive a fork.

    A worker that a signal killed, or that vanished with status 0, is started again, with a growing pause. One that
    fails ends all of them: a message that stops one worker would stop the next as well. A ``companion`` is there as
    long as they are.
    """

    def __init__(
        self,
        count: int,
        work: Callable[[int, StopRequest], int],
        *,
        grace_seconds: float,
        parent: int | None = None,
        companion: Companion | None = None,
    ) -> None:
        self._work = work
        self._companion = companion
        self._stop = StopRequest(parent=parent, before_force=self._kill_all)
        self._grace_seconds = grace_seconds
        self._workers = [_Worker(number) for number in range(count)]
        self._is_ending = False
        self._status = STOPPED
        self._ends: set[int] = set()

    def run(self) -> int:
        """Returns the exit status once every worker has ended."""
        self._stop.install()
        while not self._stop.is_made and self._status == STOPPED and self._workers:
            self._start_missing()
            if self._companion is not None:
                self._companion.look_after()
            self._stop.wait(0.2)
            self._reap()
        self._end_all()
        if self._companion is not None:
            self._companion.end()
        # Each of them looks at the whole group: what one saw reached was reached, whoever gave up before.
        return BEHIND if self._status == STOPPED and self._ends == {BEHIND} else self._status

    def _start_missing(self) -> None:
        for worker in self._workers:
            if not worker.pid and monotonic() >= worker.start_at and not self._stop.is_made:
                self._start(worker)

    def _start(self, worker: _Worker) -> None:
        worker.started_at = monotonic()
        worker.pid = fork(lambda stop: self._work(worker.number, stop) or AS_ASKED)
        logger.info("worker %d runs as process %d", worker.number, worker.pid)

    def _reap(self) -> None:
        for worker in list(self._workers):
            if worker.pid:
                pid, status = os.waitpid(worker.pid, os.WNOHANG)
                if pid:
                    self._note_end(worker, os.waitstatus_to_exitcode(status))

    def _note_end(self, worker: _Worker, code: int) -> None:
        worker.pid = 0
        if code <= 0 and not self._is_ending:
            self._start_later(worker, f"was killed by {signal.Signals(-code).name}" if code else _VANISHED)
            return
        self._workers.remove(worker)
        if code in {AS_ASKED, BEHIND}:
            self._ends.add(STOPPED if code == AS_ASKED else code)
            return
        if not self._is_ending:
            logger.error("worker %d ended with status %d; the others are stopped as well", worker.number, code)
        elif code == 0:
            logger.error("worker %d %s", worker.number, _VANISHED)
        self._status = max(self._status, code if code > 0 else FAILED)

    def _start_later(self, worker: _Worker, how_it_ended: str) -> None:
        if monotonic() - worker.started_at > HEALTHY_SECONDS:
            worker.deaths = 0
        worker.deaths += 1
        delay_seconds = PAUSES.seconds(worker.deaths) - PAUSES.first_seconds
        worker.start_at = monotonic() + delay_seconds
        logger.error("worker %d %s; it starts again in %.0f s", worker.number, how_it_ended, delay_seconds)

    def _end_all(self) -> None:
        self._is_ending = True
        self._workers = [worker for worker in self._workers if worker.pid]
        self._signal_all(signal.SIGTERM)
        deadline = monotonic() + self._grace_seconds + OVERTIME_SECONDS
        while self._workers and monotonic() < deadline:
            self._reap()
            if self._workers:
                time.sleep(0.05)
        if self._workers:
            numbers = ", ".join(str(worker.number) for worker in self._workers)
            logger.error("killing what did not end within the grace period: worker %s", numbers)
            self._kill_all()
            self._status = FORCED

    def _kill_all(self) -> None:
        if self._companion is not None:
            self._companion.end()
        self._signal_all(signal.SIGKILL)
        for worker in self._workers:
            if worker.pid:
                with suppress(ChildProcessError):
                    os.waitpid(worker.pid, 0)

    def _signal_all(self, number: signal.Signals) -> None:
        for worker in self._workers:
            if worker.pid:
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, number)

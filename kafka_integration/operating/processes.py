"""``--processes N``: a parent that forks workers, keeps them running and passes signals on."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from .runner import FAILED, FORCED, STOPPED, StopRequest

logger = logging.getLogger(__name__)

MAX_PROCESSES = 128
MAX_BACKOFF_SECONDS = 30.0
HEALTHY_SECONDS = 60.0


@dataclass
class _Worker:
    number: int
    pid: int = 0
    started_at: float = 0.0
    deaths: int = 0
    start_at: float = 0.0


class Processes:
    """Forks ``count`` workers. The parent opens no connection, client or thread: they would not survive a fork.

    A worker that a signal killed is started again, with a growing pause. One that fails ends all of them: a
    message that stops one worker would stop the next as well.
    """

    def __init__(self, count: int, work: Callable[[int], int], stop: StopRequest, *, grace_seconds: float) -> None:
        self._work = work
        self._stop = stop
        self._grace_seconds = grace_seconds
        self._workers = [_Worker(number) for number in range(count)]
        self._is_ending = False
        self._status = STOPPED

    def run(self) -> int:
        """Returns the exit status once every worker has ended."""
        self._stop.install()
        self._stop.before_force = self._kill_all
        while not self._stop.is_made and self._status == STOPPED and self._workers:
            self._start_missing()
            self._stop.wait(0.2)
            self._reap()
        self._end_all()
        return self._status

    def _start_missing(self) -> None:
        for worker in self._workers:
            if not worker.pid and monotonic() >= worker.start_at:
                self._start(worker)

    def _start(self, worker: _Worker) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        worker.started_at = monotonic()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            status = FAILED
            try:
                self._workers.clear()  # the others are no children of this one
                self._stop.follow(parent)
                status = self._work(worker.number)
            except BaseException:
                logger.exception("worker %d failed", worker.number)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        worker.pid = pid
        logger.info("worker %d runs as process %d", worker.number, pid)

    def _reap(self) -> None:
        for worker in list(self._workers):
            if worker.pid:
                pid, status = os.waitpid(worker.pid, os.WNOHANG)
                if pid:
                    self._note_end(worker, os.waitstatus_to_exitcode(status))

    def _note_end(self, worker: _Worker, code: int) -> None:
        worker.pid = 0
        if code < 0 and not self._is_ending:
            if monotonic() - worker.started_at > HEALTHY_SECONDS:
                worker.deaths = 0
            delay_seconds = min(MAX_BACKOFF_SECONDS, 2.0 ** min(worker.deaths, 10) - 1)
            worker.deaths += 1
            worker.start_at = monotonic() + delay_seconds
            logger.error(
                "worker %d was killed by %s; it starts again in %.0f s",
                worker.number, signal.Signals(-code).name, delay_seconds,
            )  # fmt: skip
            return
        self._workers.remove(worker)
        if code != STOPPED:
            self._status = max(self._status, code if code > 0 else FAILED)

    def _end_all(self) -> None:
        self._is_ending = True
        for worker in self._workers:
            if worker.pid:
                os.kill(worker.pid, signal.SIGTERM)
        # The workers keep the grace period themselves; this is for one that can't.
        deadline = monotonic() + self._grace_seconds + 5
        self._workers = [worker for worker in self._workers if worker.pid]
        while self._workers and monotonic() < deadline:
            self._reap()
            if self._workers:
                self._pause()
        if self._workers:
            self._kill_all()
            self._status = FORCED

    def _kill_all(self) -> None:
        for worker in self._workers:
            if worker.pid:
                os.kill(worker.pid, signal.SIGKILL)
                os.waitpid(worker.pid, 0)

    def _pause(self) -> None:
        signal.sigtimedwait({signal.SIGCHLD}, 0.05)

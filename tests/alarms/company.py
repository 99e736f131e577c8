"""The processes of the mixed hour: each runs every consumer, and answers for itself."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

from tests.alarms.watching import Watched
from tests.processes import ChildProcess

STARTING_SECONDS = 60.0
# A process says so before it has joined anything.
ANSWERS = r"metrics at (http://\S+)/metrics"


class Company:
    """So many processes as it has to have; one that is about to leave is asked nothing any more."""

    def __init__(self, start: Callable[..., ChildProcess], folder: Path, *, size: int) -> None:
        self.ended_by_themselves: list[str] = []
        self._start = start
        self._folder = folder
        self._size = size
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._members: list[tuple[ChildProcess, Watched]] = []
        self._leaving: list[ChildProcess] = []

    def watched(self) -> Sequence[Watched]:
        """Those that answer."""
        with self._lock:
            return [watched for _, watched in self._members]

    def fill(self) -> None:
        """Start those that are missing, and wait until they answer."""
        for member, _ in self._members:
            if not member.running:
                self.ended_by_themselves.append(f"{member!r} ended with {member.exit_status}:\n{member.tail(5)}")
        with self._lock:
            self._members = [each for each in self._members if each[0].running]
        while len(self._members) < self._size:
            self.add()

    def add(self) -> None:
        """One more."""
        heartbeat = self._folder / f"heartbeat-{next(self._numbers)}"
        child = self._start("runconsumer", "--metrics-port", "0", "--heartbeat-file", str(heartbeat))
        url = child.wait_for_output(ANSWERS, STARTING_SECONDS)[1]
        with self._lock:
            self._members.append((child, Watched(pid=child.pid, url=url, heartbeat=heartbeat)))

    def release(self, number: signal.Signals) -> int:
        """Signal the oldest, and wait until it has gone; its id."""
        with self._lock:
            child, _ = self._members.pop(0)
        child.signal(number)
        self._end(child, 0 if number == signal.SIGTERM else -number)
        return child.pid

    def dismiss(self) -> None:
        """All of them in order."""
        while self._members:
            self.release(signal.SIGTERM)

    def _end(self, child: ChildProcess, wanted: int) -> None:
        began_at = monotonic()
        status = child.wait(90)
        if status != wanted:
            self.ended_by_themselves.append(
                f"{child!r} ended with {status} after {monotonic() - began_at:.0f} s:\n{child.tail(5)}"
            )

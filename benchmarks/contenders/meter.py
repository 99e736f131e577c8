"""What a contender measures of itself. Needs nothing but Python: peers import it in environments of their own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, perf_counter, process_time
from typing import NoReturn

PREFIX = "FIGURES "
"""Begins the line that a contender prints at its end."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a contender is asked to do."""

    servers: str
    topic: str
    group: str
    messages: int
    started: float
    """When its process was started, by the machine's monotonic clock."""


def work() -> Work:
    """The work of this process."""
    given = os.environ
    return Work(
        servers=given["BENCH_SERVERS"],
        topic=given["BENCH_TOPIC"],
        group=given["BENCH_GROUP"],
        messages=int(given["BENCH_MESSAGES"]),
        started=float(given["BENCH_STARTED"]),
    )


class Meter:
    """Counts messages and the bytes of their values, from the first one to the last one that was asked for.

    Every contender tells it the same: so what a message costs here, it costs all of them. Not locked: `add` belongs to
    one thread at a time.
    """

    __slots__ = ("began", "count", "cpu_began", "expected", "on_done", "size")

    def __init__(self, expected: int, on_done: Callable[[], object] | None = None) -> None:
        self.expected = expected
        self.on_done = on_done or self.leave
        self.count = self.size = 0
        self.began = self.cpu_began = 0.0

    def begin(self) -> None:
        """The work begins now; for those that are handed no first message."""
        self.began, self.cpu_began = perf_counter(), process_time()

    def begin_once(self) -> None:
        """The work begins now, unless it has; for handlers that take long before they tell of their first message."""
        if not self.began:
            self.begin()

    def add(self, size: int) -> None:
        """One message more, with a value of so many bytes."""
        if not self.began:
            self.begin()
        self.size += size
        self.count += 1
        if self.count == self.expected:
            self.on_done()

    def add_many(self, count: int, size: int) -> None:
        """So many messages more, with values of so many bytes in all."""
        if not self.began:
            self.begin()
        before = self.count
        self.size += size
        self.count += count
        if before < self.expected <= self.count:
            self.on_done()

    def figures(self, **more: float) -> dict[str, float]:
        """What was measured up to now."""
        seconds = perf_counter() - self.began
        cpu_seconds = process_time() - self.cpu_began
        return {
            "count": self.count,
            "size": self.size,
            "rate": self.count / seconds,
            "cpu_us": cpu_seconds / self.count * 1e6,
            "peak_mib": peak_mib(),
            **more,
        }

    def leave(self, **more: float) -> NoReturn:
        """Tell the figures and end the process at once: how a contender says goodbye is not measured."""
        leave(self.figures(**more))


def leave(figures: dict[str, float]) -> NoReturn:
    tell(figures)
    os._exit(0)


def tell(figures: dict[str, float]) -> None:
    sys.stdout.write(f"\n{PREFIX}{json.dumps(figures)}\n")
    sys.stdout.flush()


def since_start() -> float:
    """Seconds since this process was started."""
    return monotonic() - work().started


def peak_mib() -> float:
    """Of this process alone: what getrusage gives begins with the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

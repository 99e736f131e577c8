"""A wall clock that jumps under processes while they run: for whatever asks Python for the time of day.

The settings of the tests' processes call `shift_clock()` before anything of the project is imported. libfaketime would
reach C libraries as well, but not rightly: librdkafka takes the time by one function that it fakes, and waits by one
that it doesn't know.
"""

from __future__ import annotations

import datetime
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

_VARIABLE = "CLOCK_OFFSET_FILE"
_real_time, _real_time_ns, _real_datetime = time.time, time.time_ns, datetime.datetime


class ShiftedClock:
    """The wall clock of the processes that are started with `env`; `jump` moves it while they run."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.env = {_VARIABLE: str(file)}
        self.jump(timedelta(0))

    def jump(self, offset: timedelta) -> None:
        """Be off by so much from now on."""
        # Replaced as a whole: one of them may be reading it.
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(offset.total_seconds()))
        fresh.replace(self._file)

    @contextmanager
    def strobing(self, most: timedelta) -> Iterator[None]:
        """Jump to and fro several times a second, by up to so much, while the block lasts; then be right again."""
        over, chance = threading.Event(), random.Random(1)

        def strobe() -> None:
            while not over.wait(0.15):
                self.jump(most * chance.uniform(-1, 1))

        thread = threading.Thread(target=strobe, name="strobe")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.jump(timedelta(0))


def shift_clock() -> None:
    """Let this process's clock be off by what the file says that the environment names, if it names one."""
    if file := os.environ.get(_VARIABLE):
        _replace(Path(file))


def _replace(file: Path) -> None:
    def seconds() -> float:
        return float(file.read_text())

    class AnyDatetime(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, _real_datetime)

    class ShiftedDatetime(_real_datetime, metaclass=AnyDatetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return _real_datetime.fromtimestamp(time.time(), tz)

    time.time = lambda: _real_time() + seconds()
    time.time_ns = lambda: _real_time_ns() + int(seconds() * 1e9)
    datetime.datetime = ShiftedDatetime  # type: ignore[misc]  # what is imported later gets this one
    timezone.now = lambda: ShiftedDatetime.now(datetime.UTC)

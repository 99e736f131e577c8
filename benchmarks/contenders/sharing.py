"""`runconsumer --processes N`, measured from outside: its workers write what they have handled into shared memory."""

from __future__ import annotations

import os
import signal
import struct
from mmap import mmap
from time import perf_counter, sleep

from kafka_integration import Messages

from ..workload import VALUE_BYTES
from .meter import leave, peak_mib, work

PLACE = struct.Struct("q")
PLACES = 64
LOOK_SECONDS = 0.002

shared = mmap(-1, PLACES * PLACE.size)
"""A place for each worker: forked children have the same memory."""


class Batch:
    """Reads each value as JSON, so that there is something to share out."""

    def __init__(self) -> None:
        self._size = 0

    def handle_messages(self, messages: Messages) -> None:
        self._size += sum([value["size"] for value in messages.values()])
        # Workers are forked one after the other: their numbers differ by less than there are places.
        PLACE.pack_into(shared, os.getpid() % PLACES * PLACE.size, self._size)


def run(processes: str) -> None:
    began, before = 0.0, 0
    group = _start(processes)
    while (size := _handled()) < work().messages * VALUE_BYTES:
        if size and not began:
            began, before = perf_counter(), size
        sleep(LOOK_SECONDS)
    seconds = perf_counter() - began
    os.killpg(group, signal.SIGKILL)
    rate = (size - before) / VALUE_BYTES / seconds
    leave({"count": size // VALUE_BYTES, "size": size, "rate": rate, "cpu_us": 0.0, "peak_mib": peak_mib()})


def _start(processes: str) -> int:
    if pid := os.fork():
        return pid
    os.setsid()
    from django.core.management import execute_from_command_line

    execute_from_command_line(["manage.py", "runconsumer", "--processes", processes])
    os._exit(1)


def _handled() -> int:
    return sum(number for (number,) in PLACE.iter_unpack(shared))

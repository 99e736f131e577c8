"""What the kernel knows of a process, and letting time pass."""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic

from tests.waiting import wait_for


def elapse(seconds: float) -> None:
    """Returns after so many seconds: where a fault has to last, there is nothing else to wait for."""
    end = monotonic() + seconds
    wait_for(lambda: monotonic() >= end, seconds + 5, interval=min(0.5, seconds / 4))


def resident_mib(pid: int, *, highest: bool = False) -> float:
    """Resident memory, now or the highest ever."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:" if highest else "VmRSS:")[2].split()[0]) / 1024


def cpu_seconds(pid: int) -> float:
    """Processor time used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))

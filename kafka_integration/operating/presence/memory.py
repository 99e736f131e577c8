"""How much memory this process has."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def memory_bytes() -> int | None:
    """What of it is in memory now, as the operating system counts; None where it doesn't say."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return None

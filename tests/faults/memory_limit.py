"""Too little memory for a process: the kernel kills it where it asks for more, in the middle of whatever it does."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.faults.watching import resident_mib
from tests.processes import ChildProcess
from tests.waiting import wait_for

_HIERARCHIES = {
    Path("/sys/fs/cgroup/memory"): "memory.limit_in_bytes",
    Path("/sys/fs/cgroup"): "memory.max",
}


class MemoryLimit:
    """Kills a process that takes more than `mib` beyond what it has: by a cgroup, or by watching it as closely."""

    def __init__(self, process: ChildProcess, mib: int) -> None:
        self._process = process
        self._mib = mib
        self._over = threading.Event()
        self._undo: list[Callable[[], object]] = []

    def __enter__(self) -> MemoryLimit:
        if not any(self._put_into(*each) for each in _HIERARCHIES.items()):
            self._watch()
        return self

    def __exit__(self, *_: object) -> None:
        for step in reversed(self._undo):
            step()

    def _put_into(self, hierarchy: Path, name: str) -> bool:
        group = hierarchy / f"test-{uuid.uuid4().hex[:8]}"
        try:
            group.mkdir()
        except OSError:
            return False
        self._undo.append(lambda: _remove(group))
        try:
            # What it has already stays counted where it was; there is no swap to flee to.
            (group / name).write_text(str(self._mib << 20))
            with suppress(OSError):
                (group / "memory.swap.max").write_text("0")
            (group / "cgroup.procs").write_text(str(self._process.pid))
        except OSError:
            self._undo.pop()()
            return False
        return True

    def _watch(self) -> None:
        bound = resident_mib(self._process.pid) + self._mib

        def watch() -> None:
            with suppress(FileNotFoundError, ProcessLookupError, IndexError):
                while not self._over.wait(0.005):
                    if resident_mib(self._process.pid) > bound:
                        self._process.kill()

        thread = threading.Thread(target=watch, name="memory-watch")
        thread.start()
        self._undo += [thread.join, self._over.set]


def _remove(group: Path) -> None:
    def removed() -> bool:
        with suppress(OSError):
            group.rmdir()
        return not group.exists()

    wait_for(removed, 10, f"{group} is empty and gone")

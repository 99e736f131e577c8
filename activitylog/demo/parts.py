"""The demo's processes: started one by one, watched, and stopped in the opposite order."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

Print = Callable[["Part", str], None]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process of the demo: a command of Django's, and how long it may take to stop."""

    name: str
    command: tuple[str, ...]
    colour: str
    grace_seconds: float = 10


class Parts:
    """The running parts. Whatever happens, ``stop()`` leaves none of them behind."""

    def __init__(self, output: Print, environment: Mapping[str, str]) -> None:
        self._output = output
        self._environment = dict(environment)
        self._running: list[tuple[Part, subprocess.Popen[bytes], threading.Thread]] = []

    def start(self, part: Part) -> None:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "activitylog.demo.child", *part.command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            # Ctrl-C reaches the demo alone: it stops the parts in their order.
            process_group=0,
        )
        reader = threading.Thread(target=self._copy_lines, args=(part, process), name=f"read-{part.name}", daemon=True)
        reader.start()
        self._running.append((part, process, reader))

    def find_ended(self) -> tuple[Part, int] | None:
        """Returns a part that ended although nobody asked it to, with its exit status."""
        for part, process, _ in self._running:
            status = process.poll()
            if status is not None:
                return part, status
        return None

    def stop(self, *, is_urgent: Callable[[], bool]) -> None:
        """Stops the last started first, each with its grace period; with none left once ``is_urgent()``."""
        try:
            for part, process, _ in reversed(self._running):
                process.terminate()
                if not _ends_within(process, part.grace_seconds, is_urgent):
                    self._output(part, "did not stop in time, so it is killed")
                    process.kill()
                    process.wait()
        finally:
            self._end_for_good(process for _, process, _ in self._running)
            for _, process, reader in self._running:
                reader.join(timeout=2)
                process.stdin.close()  # type: ignore[union-attr]  # it was asked for
            self._running.clear()

    def _end_for_good(self, processes: Iterable[subprocess.Popen[bytes]]) -> None:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def _copy_lines(self, part: Part, process: subprocess.Popen[bytes]) -> None:
        with process.stdout as lines:  # type: ignore[union-attr]  # it was asked for
            for line in lines:
                self._output(part, line.decode(errors="replace").rstrip())


def _ends_within(process: subprocess.Popen[bytes], seconds: float, is_urgent: Callable[[], bool]) -> bool:
    slice_seconds = 0.1
    for _ in range(max(1, round(seconds / slice_seconds))):
        if is_urgent():
            return False
        try:
            process.wait(slice_seconds)
        except subprocess.TimeoutExpired:
            continue
        return True
    return False

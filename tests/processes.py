"""Processes that tests start: each in a session of its own, its output in a file, and gone at the end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests import orphans
from tests.waiting import wait_for

PROJECT = Path(__file__).resolve().parent.parent


class ChildProcess:
    """A running command. What it writes (both streams) goes to `log`."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
    ) -> None:
        self.command = list(command)
        self.log = log
        self._start_of_log = log.stat().st_size if log.exists() else 0
        as_user = {"user": user, "group": user, "extra_groups": []} if user else {}
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                start_new_session=True,
                **as_user,
            )
        self.pid = self._popen.pid
        self._gone = False
        orphans.adopt("session", self.pid)

    def __repr__(self) -> str:
        return f"<ChildProcess {self.pid}: {' '.join(self.command[-4:])}>"

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    @property
    def exit_status(self) -> int | None:
        """None while it runs, negative after a signal."""
        return self._popen.poll()

    def output(self) -> str:
        """What this run has written so far (an earlier run's part of the file is left out)."""
        with self.log.open("rb") as stream:
            stream.seek(self._start_of_log)
            return stream.read().decode(errors="replace")

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.output().splitlines()[-lines:])

    def wait_for_output(self, pattern: str, timeout: float = 20.0) -> re.Match[str]:
        """The first match of `pattern` in the output; fails at once if the process ends without it."""

        def found() -> re.Match[str] | None:
            ended = not self.running
            match = re.search(pattern, self.output(), re.MULTILINE)
            if match is None and ended:
                raise AssertionError(f"{self!r} ended ({self.exit_status}) without {pattern!r}:\n{self.tail()}")
            return match

        match = wait_for(found, timeout, lambda: f"{pattern!r} in the output of {self!r}:\n{self.tail()}")
        assert match is not None
        return match

    def wait(self, timeout: float = 30.0) -> int:
        """Its exit status, once it has ended by itself."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"{self!r} still runs after {timeout:g} s:\n{self.tail()}") from error

    def signal(self, number: signal.Signals) -> None:
        """To the process itself, not to its children."""
        self._popen.send_signal(number)

    def terminate(self, timeout: float = 30.0) -> int:
        """Exit status after a SIGTERM."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self) -> None:
        """SIGKILL to it and whatever it started."""
        if self._gone:
            return  # its id may be another process's by now
        self._gone = True
        orphans.end_session(self.pid)
        self._popen.wait()
        orphans.release("session", self.pid)

    def freeze(self) -> None:
        for pid in self.members():
            send_signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self.members():
            send_signal(pid, signal.SIGCONT)

    def close(self, timeout: float = 5.0) -> None:
        """Ends it whatever its state: politely first, then not."""
        if self.running:
            self.thaw()
            self._popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout)
        self.kill()

    def members(self) -> list[int]:
        """The process ids of its session: itself and its descendants, unless they opened a session of their own."""
        return orphans.members_of_session(self.pid)

    def descendants(self) -> list[int]:
        """Its children and theirs, in whatever session."""
        found = [self.pid]
        for pid in found:
            found += _children(pid)
        return found[1:]


def start_manage(*arguments: str, log: Path, env: Mapping[str, str] | None = None, cwd: Path = PROJECT) -> ChildProcess:
    """`manage.py …` in a process of its own; `env` is added to this process's environment."""
    command = [sys.executable, str(cwd / "manage.py"), *arguments]
    return ChildProcess(command, log=log, env=environment(env), cwd=cwd)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment for a child: unbuffered, and with warnings shown."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", **(extra or {})}


def send_signal(pid: int, number: signal.Signals) -> None:
    """To a process that may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def is_running(pid: int) -> bool:
    """False for a zombie too: it holds nothing but its entry."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []

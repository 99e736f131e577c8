"""A watcher beside the test run: it ends what the run started if the run itself is killed.

Fixtures and atexit clean up after an ordinary end; after `kill -9` of pytest nothing in it runs any more. So the
watcher, a process of its own, is told of each session id and directory, and acts when its pipe closes.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

_watcher: tuple[int, subprocess.Popen[bytes]] | None = None


def adopt(kind: str, name: int | str) -> None:
    """From now on a `session` (of processes), `directory` or `mount` goes when this process does."""
    _tell("+", kind, name)


def release(kind: str, name: int | str) -> None:
    """It is gone already, or shall stay."""
    _tell("-", kind, name)


def members_of_session(session: int) -> list[int]:
    """The processes of a session: children that changed their process group are among them."""
    return [pid for pid in _all_pids() if _session_of(pid) == session]


def end_session(session: int) -> None:
    """SIGKILL to each of its processes."""
    for pid in members_of_session(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _tell(sign: str, kind: str, name: int | str) -> None:
    pipe = _start_watcher().stdin
    assert pipe is not None
    pipe.write(f"{sign} {kind} {name}\n".encode())


def _start_watcher() -> subprocess.Popen[bytes]:
    global _watcher  # noqa: PLW0603 - one watcher per process: a forked child must not use its parent's
    if _watcher is None or _watcher[0] != os.getpid():
        command = [sys.executable, "-I", __file__, str(os.getpid())]
        # Its own session: Ctrl-C in the terminal must not end it before its work is done.
        silent = subprocess.DEVNULL
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=silent, stderr=silent, start_new_session=True, bufsize=0
        )
        _watcher = (os.getpid(), process)
        atexit.register(_dismiss, process)
    return _watcher[1]


def _dismiss(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.wait()


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _watch(parent: int) -> None:
    wards: set[tuple[str, str]] = set()
    pipe = os.fdopen(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    while os.getppid() == parent:
        # The parent is looked at too: a forked copy of it can hold the pipe open after its death.
        if not select.select([pipe], [], [], 1.0)[0]:
            continue
        # Unbuffered: a line that waits in a buffer would be invisible to select.
        line = pipe.readline()
        if not line:
            break
        sign, kind, name = line.decode().rstrip("\n").split(" ", 2)
        (wards.add if sign == "+" else wards.discard)((kind, name))
    for kind, name in sorted(wards, reverse=True):  # sessions before their directories
        _remove(kind, name)


def _remove(kind: str, name: str) -> None:
    if kind == "directory":
        shutil.rmtree(name, ignore_errors=True)
        return
    if kind == "mount":
        subprocess.run(["umount", "--lazy", name], check=False)
        return
    end_session(int(name))


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    _watch(int(sys.argv[1]))

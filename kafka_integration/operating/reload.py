"""``--reload``: watch the code in the parent, run the consumers in an ordinary child.

Django's own reloader ends its child without draining; here a change is a SIGTERM like any other.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from django.apps import apps
from django.utils.autoreload import get_child_arguments, iter_all_python_module_files

from ..consuming.handling.loading import load_handler
from ..errors import HandlerError
from .stopping import StopRequest

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
PARENT_VARIABLE = "KAFKA_INTEGRATION_RELOADER"
"""Tells a child, which has the same command line, that it is one, and whose."""


def reloading_parent() -> int | None:
    """The process that watches the code for this one; None if it has none."""
    parent = os.environ.get(PARENT_VARIABLE)
    return os.getppid() if parent == str(os.getppid()) else None


def run_reloading(handlers: Iterable[str]) -> int:
    """Run this command in a child, again after each change of the code; the last one's exit status."""
    for path in handlers:
        with suppress(HandlerError):
            load_handler(path)  # so that what it imports is watched too
    return Reloader(get_child_arguments()).run()


class Reloader:
    """Starts ``command``, and starts it again when a file changed."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._stop = StopRequest(before_force=self._kill)
        self._child: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        self._stop.install()
        while True:
            code = _Code()
            self._child = child = self._start()
            changed = self._wait(child, code)
            if child.poll() is None:
                child.terminate()
            # Asked to stop before it had installed its handlers, it ends by the signal: as asked as well.
            status = max(child.wait(), 0)
            if changed is None or self._stop.is_made:
                return status
            logger.info("%s changed: starting again", changed.name)

    def _start(self) -> subprocess.Popen[bytes]:
        # A session of its own, so that a signal to the whole family can end it without us.
        env = {**os.environ, PARENT_VARIABLE: str(os.getpid())}
        return subprocess.Popen(self._command, env=env, start_new_session=True)

    def _wait(self, child: subprocess.Popen[bytes], code: _Code) -> Path | None:
        """The file that changed, None if there is no more to do. A child that failed is mended by a change."""
        has_said = False
        while not self._stop.wait(LOOK_SECONDS):
            status = child.poll()
            if status == 0:
                return None
            if status is not None and not has_said:
                logger.error("it ended with status %d; waiting for a change of the code", status)
                has_said = True
            if changed := code.find_change():
                return changed
        return None

    def _kill(self) -> None:
        if self._child is not None and self._child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)


class _Code:
    """What the files looked like: those of all modules loaded here, and of the project's apps, loaded or not.

    A module that can't be imported is the one that will change.
    """

    def __init__(self) -> None:
        self._loaded = _times(iter_all_python_module_files())
        self._own = _times(_files_of_apps())

    def find_change(self) -> Path | None:
        # Compared with what was loaded then: this process goes on importing.
        return _first_change(self._loaded, _times(self._loaded)) or _first_change(self._own, _times(_files_of_apps()))


def _first_change(before: dict[Path, float], now: dict[Path, float]) -> Path | None:
    return next((path for path in before.keys() | now.keys() if before.get(path) != now.get(path)), None)


def _times(paths: Iterable[Path]) -> dict[Path, float]:
    times = {}
    for path in paths:
        with suppress(OSError):
            times[path] = path.stat().st_mtime
    return times


def _files_of_apps() -> Iterator[Path]:
    installed = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    for app in apps.get_app_configs():
        if not any(Path(app.path).is_relative_to(folder) for folder in installed):
            # Unlike rglob() it goes on where a folder vanishes meanwhile, as with a change of branches.
            for folder, _, names in os.walk(app.path):
                yield from (Path(folder, name) for name in names if name.endswith(".py"))

"""``--reload``: watch the code in the parent, run the consumers in an ordinary child.

Django's own reloader ends its child without draining; here a change is a SIGTERM like any other.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from django.utils.autoreload import iter_all_python_module_files

from ..consuming.handlers import load_handler
from ..errors import HandlerError
from .runner import StopRequest

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


def run_reloading(handlers: Iterable[str]) -> int:
    """Run this command without ``--reload``, again after each change of a loaded module; the last exit status."""
    for path in handlers:
        with suppress(HandlerError):
            load_handler(path)  # so that its module is watched too
    stop = StopRequest()
    stop.install()
    # The child is told to stop by us: one Ctrl-C in a terminal reaches both, and a second signal would force it.
    command = [sys.executable, *(part for part in sys.argv if part != "--reload")]
    while True:
        seen = _times()
        child = subprocess.Popen(command, start_new_session=True)
        changed = _wait(child, stop, seen)
        if not changed:
            return child.wait()
        logger.info("%s changed, restarting", changed.name)
        child.terminate()
        child.wait()


def _wait(child: subprocess.Popen[bytes], stop: StopRequest, seen: dict[Path, float]) -> Path | None:
    """The file that changed, or None once we were asked to stop; a child that failed waits for a change."""
    while not stop.wait(LOOK_SECONDS):
        if child.poll() == 0:
            return None
        now = _times()
        changed = next((path for path, time in now.items() if seen.get(path) != time), None)
        if changed is not None:
            return changed
    if child.poll() is None:
        child.terminate()
    return None


def _times() -> dict[Path, float]:
    times = {}
    for path in iter_all_python_module_files():
        with suppress(OSError):
            times[path] = path.stat().st_mtime
    return times

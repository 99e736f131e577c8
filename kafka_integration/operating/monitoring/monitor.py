"""``--metrics-port`` and ``--heartbeat-file``: who looks at a process, and tells."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import sleep

from ...errors import ConfigurationError
from ...retrying import Repeats
from ...summaries import summarize
from .heartbeat_file import HeartbeatFile
from .reports import Family, Reporter
from .request import MonitoringRequest
from .server import Server, listen
from .watched import Monitor, Watched

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0


class Post:
    """Where a process is looked at from, opened before anything of it begins: what can't be had is said at once."""

    def __init__(self, request: MonitoringRequest) -> None:
        self._heartbeat = None if request.heartbeat_file is None else HeartbeatFile(request.heartbeat_file)
        self._door: socket.socket | None = None if request.port is None else listen(request.address, request.port)

    def close(self) -> None:
        if self._door is not None:
            self._door.close()

    @contextmanager
    def watching(self, watched: Watched, *, has_children: bool = False) -> Iterator[None]:
        """Answer for what is watched, and touch the heartbeat file while it is alive, as long as the block lasts."""
        server = None if self._door is None else Server(self._door, watched, has_children=has_children)
        if server is not None:
            server.start()
        try:
            with _beating(partial(_touch_if_alive, watched, self._heartbeat)):
                yield
        finally:
            if server is not None:
                server.close()


class FamilyPost:
    """The same for workers in processes of their own: a process beside them answers by what they report."""

    def __init__(self, post: Post, count: int) -> None:
        self._post = post
        self._count = count
        self._maker = os.getpid()
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="kafka-integration-"))
        except OSError as error:
            raise ConfigurationError(
                [f"--processes with monitoring needs a folder for temporary files ({error}); name one by TMPDIR"]
            ) from error

    def close(self) -> None:
        """Also called at the end of each child, whose copy of it this is."""
        if os.getpid() == self._maker:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._post.close()

    def monitor_of(self, number: int) -> Monitor:
        """What looks at one worker; in that worker."""
        self._post.close()
        return partial(self._reporting, number)

    def answer(self, parent: int) -> None:
        """Answer for all workers, until the parent is gone or ends this process."""
        with self._post.watching(Family(self._folder, self._count), has_children=True):
            while os.getppid() == parent:
                sleep(BEAT_SECONDS / 2)
        # It was killed, and left this to us.
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def _reporting(self, number: int, watched: Watched) -> Iterator[None]:
        reporter = Reporter(self._folder, number, watched)
        with _beating(reporter.write):
            yield
        with _saying(Repeats()):
            reporter.write(is_last=True)


@contextmanager
def _beating(beat: Callable[[], None]) -> Iterator[None]:
    """Do this every second, in a thread of its own, from now on."""
    is_over = threading.Event()
    repeats = Repeats()

    def run() -> None:
        while not is_over.is_set():
            with _saying(repeats):
                beat()
            is_over.wait(BEAT_SECONDS)

    thread = threading.Thread(target=run, name="monitoring", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(BEAT_SECONDS)


@contextmanager
def _saying(repeats: Repeats) -> Iterator[None]:
    """Whatever fails here is one line a minute, and stops nothing."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - as above
        if repeats.is_due():
            logger.error("monitoring failed: %s", summarize(error))


def _touch_if_alive(watched: Watched, heartbeat: HeartbeatFile | None) -> None:
    if heartbeat is not None and watched.health().is_alive:
        heartbeat.touch()

"""How a process is asked to stop: by a signal, by a second one, or by the end of its parent."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any

logger = logging.getLogger(__name__)

FORCED = 3
LOOK_SECONDS = 0.2
"""How often who waits for a stop looks after other things."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)

_handlers_before: dict[int, Any] = {}
_masks = threading.local()


class StopRequest:
    """Made by SIGTERM or SIGINT; the second one ends the process at once.

    A process whose ``parent`` is one of ours leaves that to it: a terminal or an init system signals all of them, and
    the parent once more, which is not a second wish. It also stops when its parent is gone.
    """

    def __init__(self, *, parent: int | None = None, before_force: Callable[[], None] | None = None) -> None:
        self._is_made = False
        self._parent = parent
        self._before_force = before_force
        # What wakes the waiting thread: of all queues, locks and events the only one that a signal handler may touch.
        self._wakings: SimpleQueue[None] = SimpleQueue()

    def install(self) -> None:
        """Answer the signals from here on; elsewhere than in the main thread, which alone may, they are left alone."""
        if threading.current_thread() is not threading.main_thread():
            logger.info("signals are answered in the main thread only: whoever runs this one has to stop it")
            return
        for number in SIGNALS:
            if not _is_ours(number):
                _handlers_before[number] = signal.getsignal(number)
            signal.signal(number, self._on_signal)
        # Whoever starts us may have had it ignored, and then no child's exit status could be read.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Answer the signals within the block; for a command that another program calls and outlives."""
        before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGCHLD)}
        self.install()
        try:
            yield
        finally:
            if threading.current_thread() is threading.main_thread():
                for number, handler in before.items():
                    signal.signal(number, handler)

    def wait(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for the request; True once it is made."""
        if not self._is_made:
            with suppress(Empty):
                self._wakings.get(timeout=timeout)
            self._look_after_parent()
        return self._is_made

    def make(self) -> None:
        """Ask for it from another thread, as a first signal does."""
        if not self._is_made:
            self._is_made = True
            self._wakings.put(None)

    @property
    def is_made(self) -> bool:
        return self._is_made

    def _look_after_parent(self) -> None:
        if self._parent is not None and not self._is_made and os.getppid() != self._parent:
            logger.error("the parent process %d is gone: stopping", self._parent)
            self._is_made = True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._is_made:
            self.make()
        elif self._parent is None:
            if self._before_force is not None:
                self._before_force()
            os._exit(FORCED)


def _is_ours(number: int) -> bool:
    return isinstance(getattr(signal.getsignal(number), "__self__", None), StopRequest)


def _hold_signals() -> None:
    # One that came before the child has its handlers back would be noted in a copy of ours, and forgotten.
    is_ours = any(map(_is_ours, SIGNALS))
    _masks.before_fork = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS) if is_ours else None


def _release_signals() -> None:
    if _masks.before_fork is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before_fork)


def _give_handlers_back() -> None:
    """In a forked child: whoever ends it, like a handler with a pool of processes, expects that a signal does."""
    for number in filter(_is_ours, SIGNALS):
        signal.signal(number, _handlers_before.get(number) or signal.SIG_DFL)
    _release_signals()


os.register_at_fork(before=_hold_signals, after_in_parent=_release_signals, after_in_child=_give_handlers_back)

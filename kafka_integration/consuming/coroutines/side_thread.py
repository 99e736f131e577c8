"""A thread beside an event loop, for what may not keep the loop waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic
from typing import ParamSpec, TypeVar

from django.db import close_old_connections, connections, reset_queries

from ...errors import HandlerError
from ..handling.left_open import HandlerTransactions
from ..lanes.fresh_connections import close_dead_connections

P = ParamSpec("P")
T = TypeVar("T")

FRESH_SECONDS = 1.0
"""How old what is known of the connections may be."""
IDLE_SECONDS = 0.5


class SideThread(Executor):
    """Runs one call after the other, with connections of its own; any thread may submit.

    ``idle`` is called in it after each call, and each time that it has had nothing to do for a moment. Connections that
    have come to their age are closed while ``is_done``: whoever is between two calls may have a cursor open.
    """

    def __init__(
        self, name: str, idle: Callable[[], None] = lambda: None, *, is_done: Callable[[], bool] = lambda: True
    ) -> None:
        self._idle = idle
        self._is_done = is_done
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._successor: SideThread | None = None
        self._leaving = threading.Lock()
        self._refreshed_at = monotonic()
        # A daemon: a call that never returns must not keep the process from leaving at its deadline.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        answer: Future[T] = Future()

        def call() -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                self._refresh_if_due()
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - whoever waits for it is told
                # A connection that met an error is looked at before its next use.
                self._refreshed_at = 0.0
                answer.set_exception(error)
            else:
                answer.set_result(result)

        self._put(call)
        return answer

    def wake(self) -> None:
        """Have ``idle`` called soon."""
        self._calls.put(lambda: None)

    def answers(self, seconds: float) -> bool:
        """Whether it is at no call that takes longer than so many seconds."""
        done = threading.Event()
        self._calls.put(done.set)
        return done.wait(seconds)

    def leave(self, successor: SideThread) -> None:
        """Leave the thread to the call that it is at, after which it ends; what waits, and what comes, to another one.

        Who has a message in hand goes on to submit to this one.
        """
        with self._leaving:
            self._successor = successor
            while True:
                try:
                    call = self._calls.get_nowait()
                except Empty:
                    break
                if call is not None:
                    successor._put(call)
        self.close()

    def close(self) -> None:
        """End it after what was submitted; what comes later is never run."""
        self._calls.put(None)

    def join(self, timeout: float) -> bool:
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _put(self, call: Callable[[], None]) -> None:
        with self._leaving:
            if self._successor is None:
                self._calls.put(call)
            else:
                self._successor._put(call)

    def _run(self) -> None:
        while True:
            try:
                call = self._calls.get(timeout=IDLE_SECONDS)
            except Empty:
                # A call that needs the connection meets the same; without this thread each would wait for ever.
                with suppress(Exception):
                    self._close_old_connections()
            else:
                if call is None:
                    break
                call()
            self._idle()
        connections.close_all()

    def _refresh_if_due(self) -> None:
        """As Django does around a request, which never ends here."""
        if monotonic() - self._refreshed_at >= FRESH_SECONDS:
            self._close_old_connections()
            close_dead_connections()
            reset_queries()
            # Not from before: a probe itself may take long.
            self._refreshed_at = monotonic()

    def _close_old_connections(self) -> None:
        if self._is_done():
            close_old_connections()


class HandlersCalls(Executor):
    """What asgiref is to run for handlers that await synchronous code: the ORM, in the first place.

    The connections of the thread are those of all coroutines of its event loop. So no call may leave a transaction
    open: what others write would be part of it, and lost with it. Such a call fails, and what it wrote is rolled back.
    """

    def __init__(self, thread: SideThread, *, path: str) -> None:
        self._thread = thread
        self._path = path

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._thread.submit(self._call, partial(fn, *args, **kwargs))

    def _call(self, function: Callable[[], T]) -> T:
        transactions = HandlerTransactions()
        try:
            result = function()
        except BaseException:
            transactions.roll_back()
            raise
        if alias := transactions.roll_back():
            raise HandlerError(
                f'what {self._path} awaited returned with a transaction open in database "{alias}", which would be '
                "that of all handlers beside it: what it wrote is rolled back; begin and end a transaction within one "
                "function, and await that by sync_to_async"
            )
        return result

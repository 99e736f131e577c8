"""Calls in which a client serves its callbacks, and what is not to be done before they are over."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from types import ModuleType

from confluent_kafka import KafkaException

from ..log.client_log import ClientLog
from .raw import RawProducer

# A look that may find nothing, under gevent and eventlet.
GREEN_POLL_SECONDS = 0.02


class Serving:
    """Serves one client's callbacks in whichever thread comes, and then makes the calls that they asked for."""

    def __init__(self, client: RawProducer, log: ClientLog) -> None:
        self._client = client
        self._poll = client.poll
        self._log = log
        self._calls: deque[Callable[[], object]] = deque()
        self._local = threading.local()
        self._busy_threads: set[int] = set()

    def call_soon(self, call: Callable[[], object]) -> None:
        """Has ``call`` made when the client's callbacks are over; it must not raise."""
        self._calls.append(call)

    def poll(self, seconds: float, green: ModuleType | None) -> None:
        """Serves what comes within that time; ``green`` threads look, and let the others run."""
        if green is not None:
            self.serve(self._poll, 0)
            green.sleep(min(seconds, GREEN_POLL_SECONDS) if len(self._client) else seconds)
        elif threading.get_native_id() in self._busy_threads:
            time.sleep(seconds)
        else:
            self.serve(self._poll, seconds)

    def serve(self, call: Callable[[float], int], timeout: float) -> int:
        """What the client's ``poll`` or ``flush`` returns; its fatal error goes to the log.

        Inside a callback, where a log's handler may produce, it does nothing: whichever thread of the system is in one
        and calls the client again ends the process. A green thread may have to wait there, and another come.
        """
        thread = threading.get_native_id()
        if thread in self._busy_threads:
            return len(self._client)
        self._busy_threads.add(thread)
        try:
            return call(timeout)
        except KafkaException as error:
            # How the client reports a fatal error, instead of calling error_cb.
            self._log.on_error(error.args[0])
            return len(self._client)
        finally:
            self._busy_threads.discard(thread)
            self._make_calls()

    def _make_calls(self) -> None:
        # Not inside one of them: each would go a level deeper.
        if not self._calls or getattr(self._local, "is_calling", False):
            return
        self._local.is_calling = True
        try:
            while self._calls:
                self._calls.popleft()()
        except IndexError:
            # Another thread had the last one.
            pass
        finally:
            self._local.is_calling = False

"""The producers of this process: one for each configuration and purpose, made on first use, never shared with a fork.

At exit what is still queued gets a few seconds to leave, and what is left then is logged.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from typing import Any

from django.core.signals import setting_changed

from ..conf import get_settings
from ..conf.values import ProducerSettings
from .embedded import embedded_servers
from .producer import Producer, alive_producers, open_producer

RESET_FLUSH_SECONDS = 1.0


Key = tuple[ProducerSettings, str]


class ProducerRegistry:
    """The shared producers of this process, by configuration and purpose."""

    _lock: threading.Lock
    _producers: dict[Key, Producer]
    _pid: int

    def __init__(self) -> None:
        self._start_afresh()

    def get(self, settings: ProducerSettings, purpose: str = "producer") -> Producer:
        """The producer for ``settings``, made if there is none; ``purpose`` is what the log calls it."""
        if self._pid != os.getpid():
            self._start_afresh()
        with self._lock:
            producer = self._producers.get((settings, purpose))
            useless = producer if producer is not None and _is_useless(producer, settings) else None
            if producer is None or useless is not None:
                self._finish_with_multiprocessing()
                producer = self._producers[settings, purpose] = open_producer(settings, name=purpose)
        if useless is not None:
            useless.close(timeout=0)
        return producer

    def default(self) -> Producer:
        """The producer of ``settings.KAFKA``."""
        return self.get(get_settings().producer)

    def close(self, timeout: float) -> None:
        """Closes all of them; the next ``get`` makes new ones."""
        with self._lock:
            producers = list(self._producers.values())
            self._start_afresh()
        deadline = time.monotonic() + timeout
        for producer in producers:
            producer.close(max(0.0, deadline - time.monotonic()))

    def finish(self) -> None:
        """Gives every producer its seconds to send what is queued; at the end of the process."""
        for (settings, _), producer in list(self._producers.items()):
            producer.finish(settings.shutdown_grace_seconds)

    def abandon(self) -> None:
        """In a forked child: starts with none, and leaves the parent's clients alone."""
        self._start_afresh()
        for producer in list(alive_producers):
            producer.abandon()

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._producers = {}
        self._pid = os.getpid()

    def _finish_with_multiprocessing(self) -> None:
        # Its children leave without atexit, but run its own finalizers.
        if not self._producers and (util := sys.modules.get("multiprocessing.util")):
            util.Finalize(None, self.finish, exitpriority=0)


def _is_useless(producer: Producer, settings: ProducerSettings) -> bool:
    """Whether it can't ever send again: a fatal error, or the embedded broker was started again on another port."""
    if producer.log.fatal is not None:
        return True
    if settings.connection.transport != "embedded" or producer.log.unreachable is None:
        return False
    return producer.servers != embedded_servers()


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "KAFKA":
        producers.close(RESET_FLUSH_SECONDS)


def _end() -> None:
    producers.finish()
    for producer in list(alive_producers):
        producer.abandon()


# What belongs to a process can't be passed in: a fork and the end of the process have to find it.
producers = ProducerRegistry()
os.register_at_fork(after_in_child=producers.abandon)
atexit.register(_end)
setting_changed.connect(_forget, dispatch_uid="kafka_integration.producers")

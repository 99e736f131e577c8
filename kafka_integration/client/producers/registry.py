"""The producers of this process: one for each configuration and purpose, made on first use, never shared with a fork.

At exit what is still queued gets a few seconds to leave, and what is left then is logged.
"""

from __future__ import annotations

import atexit
import math
import os
import threading
import time
from types import ModuleType
from typing import Any

from django.core.signals import setting_changed

from ...conf import get_settings
from ...conf.producers import ProducerSettings
from ..green_threads import green_library
from ..log.client_log import ClientLog
from ..opening import open_client
from ..properties.build import producer_properties
from ..transports.choosing import transport_of
from .producer import Producer, alive_producers
from .queue_room import DEFAULT_MAX_KBYTES
from .worker_processes import end_with_worker_processes

RESET_FLUSH_SECONDS = 1.0

Key = tuple[ProducerSettings, str]


class ProducerRegistry:
    """The shared producers of this process, by configuration and purpose."""

    _lock: threading.RLock
    _green: ModuleType | None
    _producers: dict[Key, Producer]
    _ends: bool
    _pid: int

    def __init__(self) -> None:
        self._start_afresh()

    def get(self, settings: ProducerSettings, purpose: str = "producer") -> Producer:
        """The producer for ``settings``, made if there is none; ``purpose`` is what the log calls it."""
        if self._pid != os.getpid():
            self._start_afresh()
        if self._green is not green_library():
            # A lock from before the patch would stop all green threads, once one of them has to wait for it.
            self._lock, self._green = threading.RLock(), green_library()
        surplus: Producer | None = None
        with self._lock:
            producer = self._producers.get((settings, purpose))
            if producer is None or _is_useless(producer, settings):
                surplus, producer = self._replace(producer, settings, purpose)
        if surplus is not None:
            surplus.close(timeout=0)
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

    def end(self, at_most_seconds: float = math.inf) -> None:
        """Gives every producer its seconds to send what is queued, all at the same time; at the end of the process.

        What ends a process may call it more than once: the seconds are given once.
        """
        self._ends = True
        began_at = time.monotonic()
        for (settings, _), producer in list(self._producers.items()):
            producer.end(min(settings.shutdown_grace_seconds, at_most_seconds), began_at)

    def abandon(self) -> None:
        """In a forked child: starts with none, and leaves the parent's clients alone."""
        self._start_afresh()
        for producer in list(alive_producers):
            producer.abandon()

    def _start_afresh(self) -> None:
        # A signal handler may ask for a producer while its thread is making it: it must not wait for itself.
        self._lock = threading.RLock()
        self._green = green_library()
        self._producers = {}
        self._ends = False
        self._pid = os.getpid()

    def _replace(
        self, former: Producer | None, settings: ProducerSettings, purpose: str
    ) -> tuple[Producer | None, Producer]:
        """The one that is of no use, and the one that is there now."""
        opened = self._open(settings, purpose)
        known = self._producers.get((settings, purpose))
        if known is not None and known is not former:
            # A signal handler that produces came in between, in this very thread.
            return opened, known
        self._producers[settings, purpose] = opened
        return former, opened

    def _open(self, settings: ProducerSettings, purpose: str) -> Producer:
        if self._ends or not threading.main_thread().is_alive():
            # First asked for at the end of the process, which starts no threads any more.
            producer = open_producer(settings, name=purpose, polls=False)
            producer.end(settings.shutdown_grace_seconds, time.monotonic())
            return producer
        if not self._producers:
            end_with_worker_processes(self.end)
        return open_producer(settings, name=purpose)


def open_producer(settings: ProducerSettings, *, name: str = "producer", polls: bool = True) -> Producer:
    """A new producer. One that doesn't poll by itself serves deliveries only where it is waited for them."""
    transport = transport_of(settings.connection)
    properties = producer_properties(settings)
    log = ClientLog(name, properties)
    return Producer(
        open_client(transport.producer, properties, place=name, options=log.options()),
        log=log,
        name=name,
        servers=properties["bootstrap.servers"],
        polls=polls,
        delivers_at_once=transport.delivers_at_once,
        max_queued_bytes=int(properties.get("queue.buffering.max.kbytes", DEFAULT_MAX_KBYTES)) * 1024,
    )


def _is_useless(producer: Producer, settings: ProducerSettings) -> bool:
    """Whether it can't ever send again: a fatal error, no broker left, or the embedded one is on another port now."""
    if producer.log.fatal is not None or producer.is_stranded:
        return True
    if producer.log.unreachable is None:
        return False
    return producer.servers != transport_of(settings.connection).servers(settings.connection)


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "KAFKA":
        producers.close(RESET_FLUSH_SECONDS)


def _end() -> None:
    producers.end()
    for producer in list(alive_producers):
        producer.abandon()


# What belongs to a process can't be passed in: a fork and the end of the process have to find it.
producers = ProducerRegistry()
os.register_at_fork(after_in_child=producers.abandon)
atexit.register(_end)
setting_changed.connect(_forget, dispatch_uid="kafka_integration.producers")

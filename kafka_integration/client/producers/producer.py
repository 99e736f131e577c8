"""A producer of librdkafka and the daemon thread that serves its delivery callbacks."""

from __future__ import annotations

import ctypes
import logging
import math
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from confluent_kafka import KafkaError, KafkaException

from ...summaries import summarize
from ..errors.translate import translate
from ..green_threads import green_library, wait_until
from ..log.client_log import ClientLog
from ..metadata.partition_counts import PartitionCounts
from .last_words import LastWords
from .queue_room import DEFAULT_MAX_KBYTES
from .queueing import SENDS_BETWEEN_POLLS, Queueing
from .raw import RawProducer
from .serving import Serving

logger = logging.getLogger("kafka_integration.client")

POLL_SECONDS = 0.1
# Beyond linger.ms this only wakes the client's threads: the answer is waited for elsewhere.
HURRY_SECONDS = 0.001
# Hurrying passes over what has no connection or no leader yet.
HURRY_AGAIN_SECONDS = 0.2
CALLBACK_POLL_SECONDS = 0.05
DROP_SECONDS = 1.0
REST_SECONDS = 0.005

alive_producers: weakref.WeakSet[Producer] = weakref.WeakSet()
"""Every producer that is open in this process: a fork has to find them."""


class Producer:
    """One librdkafka producer and the thread that polls it. Safe to use from several threads.

    Whoever opened it closes it.
    """

    def __init__(
        self,
        raw: RawProducer,
        *,
        log: ClientLog,
        name: str = "producer",
        servers: str = "",
        polls: bool = True,
        delivers_at_once: bool = False,
        max_queued_bytes: int = DEFAULT_MAX_KBYTES * 1024,
    ) -> None:
        self.log = log
        self.servers = servers
        self.retired = False
        # Guards what few deliveries need: somebody who waits for them, in a signal handler for one.
        self.waiting = threading.RLock()
        self.partition_counts = PartitionCounts(raw, log)
        self._raw = raw
        self._awaited = 0
        self._awaiting = threading.Lock()
        self._hurried_at = 0.0
        self._serving = Serving(raw, log)
        self._serve = self._serving.serve
        self._queueing = Queueing(raw, self._serving, log, max_queued_bytes)
        # Not methods of this class: one call less for each message.
        self.send = self._queueing.send
        self.send_many = self._queueing.send_many
        self.call_soon = self._serving.call_soon
        self._name = name
        self._last_words = LastWords(name, log, self.partition_counts)
        self._grace_seconds = 0.0
        self._grace_left: float | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._poll_until_closed, name=f"kafka-{name}", daemon=True)
        if delivers_at_once:
            self._queueing.follow_with(partial(raw.poll, 0))
        elif polls:
            self._thread.start()
        alive_producers.add(self)

    @property
    def is_stranded(self) -> bool:
        """True if it gave up all brokers, and can't be told of others."""
        # The thread that polls may not have come to it yet: to replace it would give up what is queued.
        self.log.help(self._raw)
        return self.log.stranding.is_certain

    def wait_for(self, settled: threading.Event, timeout: float | None) -> bool:
        """Waits for what a delivery sets, and sends what is queued now instead of after ``linger.ms``."""
        self.hurry()
        if (green := green_library()) is not None:
            return wait_until(lambda: self._serve_until(settled), timeout, green)
        # In a callback nobody else polls meanwhile.
        is_callback = threading.current_thread() is self._thread
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while not settled.is_set() and (left := deadline - time.monotonic()) > 0:
            if is_callback:
                self._serve(self._raw.poll, min(left, CALLBACK_POLL_SECONDS))
            else:
                settled.wait(min(left, HURRY_AGAIN_SECONDS))
            self._hurry_again()
        return settled.is_set()

    def hurry(self) -> None:
        """Sends what is queued now instead of after ``linger.ms``."""
        self._hurried_at = time.monotonic()
        self._serve(self._raw.flush, HURRY_SECONDS)

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Around sending what means nothing once nobody waits for it: what is left of it then is dropped.

        For a producer that sends nothing else.
        """
        with self._awaiting:
            self._awaited += 1
        try:
            yield
        finally:
            with self._awaiting:
                self._awaited -= 1
                # Under the lock: whoever begins to wait has not sent yet.
                if not self._awaited and len(self._raw):
                    self._raw.purge()

    def flush(self, timeout: float) -> int:
        """Waits until everything is delivered or given up, ``timeout`` seconds at most; how many are left."""
        if (green := green_library()) is not None:
            wait_until(lambda: not self._serve(self._raw.flush, HURRY_SECONDS), timeout, green)
            return len(self._raw)
        return self._serve(self._raw.flush, timeout)

    def lost(self, topic: str, error: KafkaError, *, is_watched: bool) -> None:
        """A message was not delivered: is logged, unless somebody watches it or it was dropped with what is left."""
        if not self._last_words.note(topic, error) and not is_watched:
            self.log.lost(translate(error, place=f"topic {topic}"))

    def close(self, timeout: float) -> int:
        """Flushes, drops and logs what is left after ``timeout`` seconds, and ends; how many were left."""
        self._retire()
        left = self._finish(timeout, within=timeout)
        self._closing = True
        if self._thread.ident is not None:
            self._thread.join()
        with suppress(KafkaException):
            # What another thread sent meanwhile: with the broker away close() would wait for it without end.
            self._raw.purge()
            self._raw.close()
        return left

    def end(self, grace_seconds: float, began_at: float) -> None:
        """Flushes at the end of the process, which ``began_at`` that time, and drops and logs what is left.

        The client stays. What is sent later is waited for at once, as long as something is left of ``grace_seconds``:
        nobody may get another chance to say that it was lost.
        """
        if self._grace_left is None:
            self._grace_seconds = grace_seconds
            self._grace_left = max(0.0, grace_seconds - (time.monotonic() - began_at))
            self._queueing.follow_with(self._spend_grace)
            self._keep()
        self._spend_grace()

    def abandon(self) -> None:
        """Lets go of the client in a forked child, where its threads are gone, without destroying it."""
        self._retire()
        # A green thread goes on in the child.
        self._closing = True
        self._keep()

    def _spend_grace(self) -> None:
        started = time.monotonic()
        self._finish(self._grace_left or 0.0, within=self._grace_seconds)
        self._grace_left = max(0.0, (self._grace_left or 0.0) - (time.monotonic() - started))

    def _finish(self, timeout: float, *, within: float) -> int:
        left = self.flush(timeout)
        if left:
            self._last_words.begin()
            self._serve(self._drop, DROP_SECONDS)
            self._last_words.say(left, within)
        self.log.tell_losses()
        return left

    def _drop(self, timeout: float) -> int:
        self._raw.purge()
        return self._raw.flush(timeout)

    def _keep(self) -> None:
        # Destroying it waits for its threads, which a fork has not; and one that polls may still be inside it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._raw))

    def _retire(self) -> None:
        self.retired = True
        self.log.retire()
        alive_producers.discard(self)

    def _poll_until_closed(self) -> None:
        # What it is now it stays, whatever is patched later.
        green = green_library()
        while not self._closing:
            sends, began_at = self._queueing.sends, time.monotonic()
            try:
                self._serving.poll(POLL_SECONDS, green)
                self.log.help(self._raw)
            except Exception as error:  # noqa: BLE001 - without this thread nothing would ever be delivered again
                logger.error("%s: a delivery callback raised %s", self._name, summarize(error))
            if green is None and self._queueing.sends - sends >= SENDS_BETWEEN_POLLS and self._hurried_at < began_at:
                # Who sends so much serves deliveries too: two threads at it hand the interpreter to and fro.
                time.sleep(REST_SECONDS)

    def _serve_until(self, settled: threading.Event) -> bool:
        if not settled.is_set():
            self._serve(self._raw.poll, 0)
            self._hurry_again()
        return settled.is_set()

    def _hurry_again(self) -> None:
        if time.monotonic() - self._hurried_at >= HURRY_AGAIN_SECONDS:
            self.hurry()

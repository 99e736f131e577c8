"""A producer of librdkafka and the daemon thread that serves its delivery callbacks."""

from __future__ import annotations

import ctypes
import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException

from ..conf.values import EMPTY, ProducerSettings
from ..errors import BrokerError
from ..headers import Headers
from ..summaries import summarize
from .client_headers import ClientHeaders
from .failures import translate
from .logs import ClientLog
from .memory import MemoryProducer, memory_broker
from .opening import open_client
from .partition_counts import PartitionCounts
from .properties import Properties, producer_properties

logger = logging.getLogger("kafka_integration.client")

DeliveryCallback = Callable[[KafkaError | None, confluent_kafka.Message], None]

POLL_SECONDS = 0.1
# Beyond linger.ms this only wakes the client's threads: the answer is waited for elsewhere.
HURRY_SECONDS = 0.001
ROOM_POLL_SECONDS = 0.05
SENDS_BETWEEN_POLLS = 64

alive_producers: weakref.WeakSet[Producer] = weakref.WeakSet()
"""Every producer that is open in this process: a fork has to find them."""


class RawProducer(Protocol):
    """confluent-kafka's ``Producer``, as far as it is used here; the memory transport has the same."""

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int = -1,
        callback: DeliveryCallback | None = None,
        on_delivery: DeliveryCallback | None = None,
        timestamp: int = 0,
        headers: Any = None,
    ) -> None: ...
    def poll(self, timeout: float = -1) -> int: ...
    def flush(self, timeout: float = -1) -> int: ...
    def purge(self) -> None: ...
    def close(self) -> bool: ...
    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any: ...
    def __len__(self) -> int: ...


class Producer:
    """One librdkafka producer and the thread that polls it. Safe to use from several threads.

    Whoever opened it closes it.
    """

    def __init__(
        self, raw: RawProducer, *, log: ClientLog, name: str = "producer", servers: str = "", polls: bool = True
    ) -> None:
        self.log = log
        self.servers = servers
        self.retired = False
        # Guards what few deliveries need: somebody who waits for them.
        self.waiting = threading.Lock()
        self.partition_counts = PartitionCounts(raw, log)
        self._raw = raw
        self._awaited = 0
        self._awaiting = threading.Lock()
        self._produce = raw.produce
        self._sends = 0
        self._calls: deque[Callable[[], object]] = deque()
        self._local = threading.local()
        self._name = name
        self._closing = False
        self._thread = threading.Thread(target=self._poll_until_closed, name=f"kafka-{name}", daemon=True)
        if polls:
            self._thread.start()
        alive_producers.add(self)

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        on_delivery: DeliveryCallback,
        timestamp_ms: int,
        headers: Headers | None,
        timeout: float,
    ) -> None:
        """Puts a message into the queue, waiting up to ``timeout`` for room; raises BrokerError if it can't.

        ``partition`` -1 leaves it to the client, ``timestamp_ms`` 0 is now.
        """
        given = None if headers is None else ClientHeaders(headers)
        self._sends += 1
        if self._sends % SENDS_BETWEEN_POLLS == 0:
            # Half the work of leaving all deliveries to the other thread: handing the interpreter over costs more.
            self._serve(self._raw.poll, 0)
        try:
            # By keyword: see ``client_headers``.
            self._produce(
                topic,
                value=value,
                key=key,
                partition=partition,
                on_delivery=on_delivery,
                timestamp=timestamp_ms,
                headers=given,
            )
        except BufferError:
            message = {"value": value, "key": key, "partition": partition, "timestamp": timestamp_ms, "headers": given}
            self._send_when_there_is_room(topic, {**message, "on_delivery": on_delivery}, timeout)
        except Exception as error:
            raise translate(error, place=f"topic {topic}") from error

    def wait_for(self, settled: threading.Event, timeout: float | None) -> bool:
        """Waits for what a delivery sets, and sends what is queued now instead of after ``linger.ms``."""
        self._serve(self._raw.flush, HURRY_SECONDS)
        if threading.current_thread() is not self._thread:
            return settled.wait(timeout)
        # In a callback: nobody else polls meanwhile.
        deadline = None if timeout is None else time.monotonic() + timeout
        while not settled.is_set() and (deadline is None or time.monotonic() < deadline):
            self._serve(self._raw.poll, ROOM_POLL_SECONDS)
        return settled.is_set()

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
                    self.purge()

    def call_soon(self, call: Callable[[], object]) -> None:
        """Has ``call`` made when the client's callbacks are over; it must not raise."""
        self._calls.append(call)

    def flush(self, timeout: float) -> int:
        """Waits until everything is delivered or given up, ``timeout`` seconds at most; how many are left."""
        return self._serve(self._raw.flush, timeout)

    def purge(self) -> None:
        """Drops what is queued or under way; its deliveries fail."""
        self._raw.purge()

    def close(self, timeout: float) -> int:
        """Flushes, drops and logs what is left after ``timeout`` seconds, and ends; how many were left."""
        self._retire()
        left = self.finish(timeout)
        self._raw.purge()
        self.flush(POLL_SECONDS)
        self._closing = True
        if self._thread.ident is not None:
            self._thread.join()
        with suppress(KafkaException):
            # What another thread sent meanwhile: with the broker away close() would wait for it without end.
            self._raw.purge()
            self._raw.close()
        return left

    def finish(self, timeout: float) -> int:
        """Flushes and logs what is left after ``timeout`` seconds; how many were left."""
        left = self.flush(timeout)
        if left:
            logger.error(
                "%s: %d message(s) were not confirmed within %g s and may be lost. %s",
                self._name,
                left,
                timeout,
                self.log.trouble or "Kafka did not answer in time.",
            )
        return left

    def abandon(self) -> None:
        """Lets go of the client without destroying it.

        In a forked child its threads are gone, and destroying would wait for them; at the end of the process the
        thread that polls may still be inside it.
        """
        self._retire()
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._raw))

    def _retire(self) -> None:
        self.retired = True
        self.log.retire()
        alive_producers.discard(self)

    def _send_when_there_is_room(self, topic: str, message: dict[str, Any], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            # Serves deliveries meanwhile, which is what makes room.
            self._serve(self._raw.poll, ROOM_POLL_SECONDS)
            try:
                return self._produce(topic, **message)
            except BufferError as error:
                if time.monotonic() >= deadline:
                    raise self._queue_full(topic, timeout) from error
            except Exception as error:
                raise translate(error, place=f"topic {topic}") from error

    def _queue_full(self, topic: str, timeout: float) -> BrokerError:
        return BrokerError(
            f"topic {topic}: not sent, because the client's queue stayed full for {timeout:g} s "
            f"({len(self._raw)} messages wait). {self.log.trouble or 'Kafka is slower than this process.'}",
            code="_QUEUE_FULL",
            retriable=True,
        )

    def _poll_until_closed(self) -> None:
        while not self._closing:
            try:
                self._serve(self._raw.poll, POLL_SECONDS)
            except Exception as error:  # noqa: BLE001 - without this thread nothing would ever be delivered again
                logger.error("%s: a delivery callback raised %s", self._name, summarize(error))

    def _serve(self, call: Callable[[float], int], timeout: float) -> int:
        try:
            return call(timeout)
        except KafkaException as error:
            # How the client reports a fatal error, instead of calling error_cb.
            self.log.on_error(error.args[0])
            return len(self._raw)
        finally:
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


def open_producer(
    settings: ProducerSettings, *, overrides: Mapping[str, Any] = EMPTY, name: str = "producer"
) -> Producer:
    """A producer of one's own, to be closed by whoever asked; ``overrides`` are librdkafka's properties."""
    if settings.connection.transport == "memory":
        properties = Properties({**settings.connection.config, **overrides})
        raw = ImmediateProducer(MemoryProducer(memory_broker(), properties))
        return Producer(raw, log=ClientLog(name, properties), name=name, polls=False)
    properties = Properties({**producer_properties(settings), **overrides})
    log = ClientLog(name, properties)
    client = open_client(confluent_kafka.Producer, properties, place=name, options=log.options())
    return Producer(client, log=log, name=name, servers=properties["bootstrap.servers"])


class ImmediateProducer:
    """The memory transport's producer, whose deliveries are known, and told, when ``produce`` returns."""

    def __init__(self, memory: MemoryProducer) -> None:
        self._memory = memory
        self._lock = threading.RLock()
        self.list_topics = memory.list_topics
        self.poll = memory.poll
        self.flush = memory.flush
        self.purge = memory.purge
        self.close = memory.close

    def produce(self, *args: Any, **options: Any) -> None:
        with self._lock:
            self._memory.produce(*args, **options)
            self._memory.poll(0)

    def __len__(self) -> int:
        return len(self._memory)

"""What became of a message that was produced."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple

from ..client.errors.translate import ClientError, translate
from ..client.producers.producer import Producer
from ..errors import (
    AccessDeniedError,
    BrokerError,
    DeliveryDeniedError,
    DeliveryError,
    ProduceError,
    ProduceTimeoutError,
)
from ..message import RawMessage, moment_of
from ..summaries import summarize

logger = logging.getLogger("kafka_integration.producing")

# Given up by the client, yet perhaps written by the broker.
_UNCERTAIN = frozenset(
    {
        "_MSG_TIMED_OUT",
        "_TIMED_OUT",
        "_TRANSPORT",
        "_PURGE_INFLIGHT",
        "REQUEST_TIMED_OUT",
        "NETWORK_EXCEPTION",
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
    }
)
_LOOK_SECONDS = 0.5
# librdkafka's mock cluster acknowledges everything with this time, a second after 1970.
EMBEDDED_APPEND_TIME_MS = 1234


class RecordMetadata(NamedTuple):
    """Where a message went; ``ts`` is its time in milliseconds, ``offset`` None if no acknowledgement was asked for."""

    # One for each message that is waited for: a frozen dataclass takes several times as long to make.
    topic: str
    partition: int
    offset: int | None
    ts: int | None

    @property
    def timestamp(self) -> datetime | None:
        """The time as an aware datetime; None where there is none, or none that Python can express."""
        return None if self.ts is None else moment_of(self.ts)


class Delivery:
    """The future of one message: settled when Kafka has confirmed it, or when it is given up.

    Any thread may wait. Callbacks run between the client's polls, in any thread that produces or in the client's own:
    they should be short, and what they raise is logged.
    """

    # Single values rather than a tuple: one object less for each message, and for the garbage collector.
    __slots__ = ("_done", "_error", "_offset", "_partition", "_producer", "_topic", "_ts", "_waiters")

    _partition: int | None
    _offset: int | None

    def __init__(self, topic: str, producer: Producer, sent_ms: int) -> None:
        self._topic = topic
        self._producer = producer
        self._ts = sent_ms
        self._done = False
        self._error: ClientError | None = None
        self._waiters: list[threading.Event | Callable[[Delivery], object]] | None = None

    def __repr__(self) -> str:
        return f"<Delivery to {self._topic}: {'done' if self.done() else 'under way'}>"

    def done(self) -> bool:
        """Whether it is known what became of the message."""
        return self._done

    def result(self, timeout: float | None = None) -> RecordMetadata:
        """Where the message went, as soon as Kafka has confirmed it; raises ProduceError if it was not delivered.

        After ``timeout`` seconds raises ProduceTimeoutError: the message may still arrive.
        """
        if not self._done:
            self._wait(timeout)
        if self._error is not None:
            raise self._failure(self._error)
        partition, offset, ts = self._partition, self._offset, self._ts
        return RecordMetadata(
            self._topic,
            -1 if partition is None else partition,
            None if offset is None or offset < 0 else offset,
            ts if ts > 0 else None,
        )

    def result_of_call(self, timeout: float, deadline: float) -> RecordMetadata:
        """``result`` for a call with ``timeout`` seconds in all, until ``deadline``, not all of them for this."""
        if not self._done:
            self._wait(max(0.0, deadline - time.monotonic()), of_call=timeout)
        return self.result()

    def exception(self, timeout: float | None = None) -> ProduceError | None:
        """Why the message was not delivered, None if it was; raises ProduceTimeoutError if that isn't known in time."""
        self._wait(timeout)
        return None if self._error is None else self._failure(self._error)

    def add_done_callback(self, callback: Callable[[Delivery], object]) -> None:
        """Calls ``callback(delivery)`` when it is settled: at once if it is already."""
        self._add_waiter(callback)

    def hurry(self) -> None:
        """Sends it, and whatever else is queued, now instead of after ``linger_ms``."""
        self._producer.hurry()

    def __call__(self, error: ClientError | None, message: RawMessage) -> None:
        """The client's delivery callback; the object itself, because a bound method is one more for each message."""
        if error is None:
            # Not the message itself: it would keep key and value as long as somebody keeps this.
            self._partition = message.partition()
            self._offset = message.offset()
            ts = message.timestamp()[1]
            if ts != EMBEDDED_APPEND_TIME_MS:
                self._ts = ts
        else:
            self._error = error
            self._producer.lost(self._topic, error, is_watched=self._waiters is not None)
        # Both sides write first and look afterwards, so that at least one of them sees the other.
        self._done = True
        if self._waiters is not None:
            # Not in here: whatever calls the client inside its own callback ends the process.
            self._tell(self._producer.call_soon)

    def _wait(self, timeout: float | None, *, of_call: float | None = None) -> None:
        if self._done:
            return
        settled = threading.Event()
        self._add_waiter(settled)
        if not self._producer.wait_for(settled, timeout) and timeout is not None:
            raise self._too_late(f"not confirmed within {timeout if of_call is None else of_call:.3g} s")

    def _add_waiter(self, waiter: threading.Event | Callable[[Delivery], object]) -> None:
        with self._producer.waiting:
            if self._waiters is None:
                self._waiters = []
            self._waiters.append(waiter)
        if self._done:
            self._tell(lambda call: call())

    def _tell(self, run: Callable[[Callable[[], object]], object]) -> None:
        # pop() gives each waiter to one thread only.
        while self._waiters:
            try:
                waiter = self._waiters.pop(0)
            except IndexError:
                return
            if isinstance(waiter, threading.Event):
                waiter.set()
            else:
                run(partial(self._call_back, waiter))

    def _call_back(self, callback: Callable[[Delivery], object]) -> None:
        try:
            callback(self)
        except Exception as error:  # noqa: BLE001 - user code
            logger.error("A callback for a message to %s raised %s", self._topic, summarize(error))

    def _failure(self, error: ClientError) -> ProduceError:
        cause = translate(error, place=f"topic {self._topic}")
        if cause.code == "_MSG_TIMED_OUT":
            return self._too_late("given up by the client, which could not send it or got no confirmation")
        kind = DeliveryDeniedError if isinstance(cause, AccessDeniedError) else DeliveryError
        failure = kind(
            str(cause),
            code=cause.code,
            retriable=cause.retriable,
            fatal=cause.fatal,
            may_still_arrive=cause.code in _UNCERTAIN,
        )
        failure.__cause__ = cause
        return failure

    def _too_late(self, what: str) -> ProduceError:
        reason = self._producer.log.trouble or self._topic_trouble()
        text = f"topic {self._topic}: the message was {what}, and may still arrive. {reason or 'The broker is slow.'}"
        error: ProduceError
        if isinstance(reason, AccessDeniedError):
            error = DeliveryDeniedError(text, code=reason.code, may_still_arrive=True)
        else:
            error = ProduceTimeoutError(text)
        error.__cause__ = reason
        return error

    def _topic_trouble(self) -> BrokerError | None:
        try:
            self._producer.partition_counts.get(self._topic, _LOOK_SECONDS)
        except BrokerError as error:
            return error
        return None

"""Messages on their way into a client's queue, which may be full."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ...errors import BrokerError
from ...headers import Headers
from ..errors.translate import translate
from ..green_threads import green_library
from ..log.client_log import ClientLog
from .client_headers import ClientHeaders
from .plain_messages import PlainMessage, hand_over
from .queue_room import SMALL_BYTES, QueueRoom, large_bytes
from .raw import DeliveryCallback, RawProducer, is_bare
from .serving import Serving

ROOM_POLL_SECONDS = 0.05
SENDS_BETWEEN_POLLS = 64


class Queueing:
    """The way into one client's queue, for any thread. ``sends`` counts what was put there, roughly."""

    def __init__(self, raw: RawProducer, serving: Serving, log: ClientLog, max_bytes: int) -> None:
        self.sends = 0
        self._raw = raw
        self._serving = serving
        self._serve = serving.serve
        self._log = log
        self._room = QueueRoom(max_bytes)
        self._produce: Callable[..., None] = raw.produce
        # Without names half the time, for what most messages are; None where something is around the client.
        self._produce_plain: Callable[..., None] | None = raw.produce if is_bare(raw) else None
        self._produce_batch: Callable[..., int] | None = raw.produce_batch if is_bare(raw) else None

    def follow_with(self, call: Callable[[], object]) -> None:
        """From now on ``call`` is made after each message."""

        def produce(*message: Any, **options: Any) -> None:
            self._raw.produce(*message, **options)
            call()

        self._produce, self._produce_plain, self._produce_batch = produce, None, None

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
        self.sends += 1
        if self.sends % SENDS_BETWEEN_POLLS == 0:
            # Half the work of leaving all deliveries to the other thread: handing the interpreter over costs more.
            self._serve(self._raw.poll, 0)
        plain = self._produce_plain
        if plain is None or headers is not None or timestamp_ms or (key is not None and len(key) >= SMALL_BYTES):
            self._send_by_name(topic, value, key, partition, on_delivery, timestamp_ms, headers, timeout)
            return
        try:
            plain(topic, value, key, partition, on_delivery)
        except BufferError:
            self._send_by_name(topic, value, key, partition, on_delivery, timestamp_ms, headers, timeout)
        except Exception as error:
            raise translate(error, place=f"topic {topic}") from error

    def send_many(self, topic: str, messages: list[PlainMessage], timeout: float) -> dict[int, BrokerError]:
        """Puts messages into the queue in their order, waiting up to ``timeout`` for room; what wasn't taken, by index.

        Keys that take room of their own in the queue are for ``send``.
        """
        deadline = time.monotonic() + timeout
        refused: dict[int, BrokerError] = {}
        done = 0
        while True:
            self.sends += len(messages) - done
            self._serve(self._raw.poll, 0)
            if self._produce_batch is None:
                return refused | self._send_one_by_one(topic, messages, done, deadline)
            new, room = hand_over(self._produce_batch, topic, messages[done:])
            refused |= {done + index: error for index, error in new.items()}
            done += room
            if done == len(messages):
                return refused
            if time.monotonic() >= deadline:
                return refused | dict.fromkeys(range(done, len(messages)), self._queue_full(topic, timeout))
            # Serves deliveries meanwhile, which is what makes room.
            self._serving.poll(ROOM_POLL_SECONDS, green_library())

    def _send_one_by_one(
        self, topic: str, messages: list[PlainMessage], start: int, deadline: float
    ) -> dict[int, BrokerError]:
        refused: dict[int, BrokerError] = {}
        for index, message in enumerate(messages[start:], start):
            left = max(0.0, deadline - time.monotonic())
            try:
                self.send(topic, message["value"], message["key"], -1, message["callback"], 0, None, left)
            except BrokerError as error:
                refused[index] = error
        return refused

    def _send_by_name(
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
        given = None if headers is None else ClientHeaders(headers)
        large = large_bytes(key, headers)
        produce = partial(self._room.produce, self._produce, large) if large else self._produce
        try:
            # By keyword: see ``client_headers``.
            produce(
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
            self._send_when_there_is_room(produce, topic, {**message, "on_delivery": on_delivery}, timeout)
        except Exception as error:
            raise translate(error, place=f"topic {topic}") from error

    def _send_when_there_is_room(
        self, produce: Callable[..., None], topic: str, message: dict[str, Any], timeout: float
    ) -> None:
        deadline = time.monotonic() + timeout
        while True:
            # Serves deliveries meanwhile, which is what makes room.
            left = max(0.0, deadline - time.monotonic())
            self._serving.poll(min(ROOM_POLL_SECONDS, left), green_library())
            try:
                return produce(topic, **message)
            except BufferError as error:
                if time.monotonic() >= deadline:
                    raise self._queue_full(topic, timeout) from error
            except Exception as error:
                raise translate(error, place=f"topic {topic}") from error

    def _queue_full(self, topic: str, timeout: float) -> BrokerError:
        return BrokerError(
            f"topic {topic}: not sent, because the client's queue stayed full for {timeout:g} s "
            f"({len(self._raw)} messages wait). {self._log.trouble or 'Kafka is slower than this process.'}",
            code="_QUEUE_FULL",
            retriable=True,
        )

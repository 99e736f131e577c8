"""``aproduce``: send and wait in async code, without ever holding up its event loop."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import datetime
from typing import Any

from ..headers import GivenHeaders
from .delivery import Delivery, RecordMetadata
from .produce import deadline_of, result_of
from .sender import default_sender

__all__ = ["aproduce"]


async def aproduce(
    topic: str,
    value: Any,
    *,
    key: Any = None,
    headers: GivenHeaders | None = None,
    partition: int | None = None,
    timestamp: datetime | int | None = None,
    timeout: float = 10,
) -> RecordMetadata:
    """``produce_sync`` for async code: sends a message and returns where it went, once Kafka has confirmed it.

    Arguments and errors are those of ``produce_sync``. The event loop goes on meanwhile, also while Kafka is away. If
    the task is cancelled, the message may still arrive.
    """
    deadline = deadline_of(topic, timeout)

    def send() -> Delivery:
        # Not all of the time: the thread may have come late.
        left = max(0.0, deadline - time.monotonic())
        delivery = default_sender().send(topic, value, key, headers, partition, timestamp, left)
        delivery.hurry()
        return delivery

    # In a thread: sending may wait for room in the queue, or to learn which partitions there are.
    delivery = await asyncio.to_thread(send)
    with suppress(TimeoutError):
        await asyncio.wait_for(_settled(delivery), max(0.0, deadline - time.monotonic()))
    if delivery.done():
        return result_of(delivery, key, timeout, deadline)
    # In a thread: looking for the reason asks Kafka.
    return await asyncio.to_thread(result_of, delivery, key, timeout, deadline)


async def _settled(delivery: Delivery) -> None:
    loop = asyncio.get_running_loop()
    settled = asyncio.Event()

    def tell(delivery: Delivery) -> None:
        # The loop may be closed by now, and then nobody waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settled.set)

    delivery.add_done_callback(tell)
    await settled.wait()

"""Handlers as a project would write them; each tells the meter of every message and the bytes of its value."""

from __future__ import annotations

import asyncio
import threading
import time

from kafka_integration import Message, Messages

from .meter import Meter, leave, peak_mib, since_start, work

SLEEP_SECONDS = 0.010
ASYNC_SLEEP_SECONDS = 0.050

meter = Meter(work().messages)
lock = threading.Lock()


def each(message: Message) -> None:
    meter.add(len(message.value))


def each_at_a_time(message: Message) -> None:
    """Where several run at a time."""
    with lock:
        meter.add(len(message.value))


def each_json(message: Message) -> None:
    meter.add(message.value["size"])


async def each_async(message: Message) -> None:
    meter.add(len(message.value))


class Batch:
    def handle_messages(self, messages: Messages) -> None:
        meter.add_many(len(messages), sum([len(message.value) for message in messages]))


class Columns:
    def handle_messages(self, messages: Messages) -> None:
        meter.add_many(len(messages), sum(map(len, messages.values())))


def sleeping(message: Message) -> None:
    """What waits for something else most of the time: a service, a database."""
    with lock:
        meter.begin_once()
    time.sleep(SLEEP_SECONDS)
    with lock:
        meter.add(len(message.value))


async def sleeping_async(message: Message) -> None:
    meter.begin_once()
    await asyncio.sleep(ASYNC_SLEEP_SECONDS)
    meter.add(len(message.value))


def first(message: Message) -> None:
    """Only the first one counts, and when it came."""
    size = len(message.value)
    leave({"count": 1, "size": size, "start_seconds": since_start(), "peak_mib": peak_mib()})

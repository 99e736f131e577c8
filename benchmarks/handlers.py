"""Trivial handlers: they count, and note when the first and the last record came."""

from __future__ import annotations

from time import perf_counter

from kafka_integration import Message, Messages


class Meter:
    """When the first and the ``last``-th record were handled."""

    def __init__(self) -> None:
        self.count = 0
        self.size = 0
        self.began = 0.0
        self.ended = 0.0
        self.cpu_before = 0.0
        """What preparations cost."""

    def seconds(self) -> float:
        return self.ended - self.began


meter = Meter()


def each(message: Message) -> None:
    if not meter.count:
        meter.began = perf_counter()
    meter.count += 1
    meter.size += len(message.value_bytes or b"")
    meter.ended = perf_counter()


async def each_async(message: Message) -> None:
    each(message)


def each_decoded(message: Message) -> None:
    if not meter.count:
        meter.began = perf_counter()
    meter.count += 1
    meter.size += len(message.value)
    meter.ended = perf_counter()


class Columns:
    def handle_messages(self, messages: Messages) -> None:
        if not meter.count:
            meter.began = perf_counter()
        meter.count += len(messages)
        meter.size += sum(map(len, messages.values()))
        meter.ended = perf_counter()


class Batch:
    def handle_messages(self, messages: list[Message]) -> None:
        if not meter.count:
            meter.began = perf_counter()
        meter.count += len(messages)
        meter.size += sum(len(message.value_bytes or b"") for message in messages)
        meter.ended = perf_counter()

"""Async handlers that a test steers: what they note, and what they wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from kafka_integration import Message
from tests.unit.consumers import write

HANDLER = "tests.unit.coroutines.handle"
BATCH = "tests.unit.coroutines.Batch"

seen: list[Any] = []
ended: list[Any] = []
script: list[Callable[[Any], Coroutine[Any, Any, object]]] = []


def reset() -> None:
    for found in (seen, ended, script):
        found.clear()


class Gate:
    """Held by each handler until a test opens it, from its own thread."""

    def __init__(self) -> None:
        self.is_open = False

    async def wait(self) -> None:
        while not self.is_open:
            await asyncio.sleep(0.005)


async def handle(message: Message) -> object:
    seen.append(message.value)
    result = await script[0](message) if script else None
    ended.append(message.value)
    return result


class Batch:
    async def handle_messages(self, messages: list[Message]) -> object:
        values = [message.value for message in messages]
        seen.append(values)
        result = await script[0](messages) if script else None
        ended.append(values)
        return result


def write_to(partitions: int, *values: str) -> None:
    """Each value once for each of so many partitions, whose number it begins with."""
    for partition in range(partitions):
        write(*(f"{partition}{value}" for value in values), partition=partition)


def by_partition(values: list[str], number: int) -> list[str]:
    return [value[1:] for value in values if value[0] == str(number)]

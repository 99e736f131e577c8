"""Handlers whose behaviour a test writes: ``script`` says what happens, ``seen`` what came."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kafka_integration import Message, Messages

seen: list[Message] = []
batches: list[list[Message]] = []
script: list[Callable[[Any], Any]] = []


def reset() -> None:
    seen.clear()
    batches.clear()
    script.clear()
    Columns.values.clear()


def follow(argument: Any) -> Any:
    return script[0](argument) if script else None


def fail_on(*values: Any, error: Callable[[str], BaseException] = ValueError) -> None:
    """The handler fails at these values, each time."""

    def fail(argument: Any) -> None:
        for message in argument if isinstance(argument, list) else [argument]:
            if message.value in values:
                raise error(f"no {message.value}")

    script.append(fail)


def handle(message: Message) -> Any:
    seen.append(message)
    return follow(message)


async def handle_async(message: Message) -> Any:
    seen.append(message)
    return follow(message)


class Batch:
    def handle_messages(self, messages: list[Message]) -> Any:
        batches.append(list(messages))
        seen.extend(messages)
        return follow(messages)


class Columns:
    """Reads values, and no message."""

    values: list[Any] = []

    def handle_messages(self, messages: Messages) -> Any:
        self.values.extend(messages.values())


class AsyncBatch:
    async def handle_messages(self, messages: list[Message]) -> Any:
        batches.append(list(messages))
        return follow(messages)


class One:
    def handle_message(self, message: Message) -> Any:
        return handle(message)


class Both:
    def handle_message(self, message: Message) -> None: ...

    def handle_messages(self, messages: list[Message]) -> None: ...


class NeedsArguments:
    def __init__(self, name: str) -> None: ...

    def handle_message(self, message: Message) -> None: ...


def takes_nothing() -> None: ...


def takes_two(message: Message, other: Message) -> None: ...


def hidden_async(message: Message) -> Any:
    return handle_async(message)


def generate(message: Message) -> Iterator[None]:
    seen.append(message)
    yield


not_callable = 3

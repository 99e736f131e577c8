"""Serializers and deserializers in each shape that a dotted path may lead to."""

from __future__ import annotations

import threading
from typing import Any

contexts: list[tuple[str, str, list[Any]]] = []
made: list[str] = []
may_read = threading.Event()


def reset() -> None:
    contexts.clear()
    made.clear()
    may_read.clear()


def plain(data: bytes) -> str:
    return f"plain {data.decode()}"


def placed(data: Any, context: Any) -> Any:
    contexts.append((context.topic, context.field, list(context.headers)))
    return f"{context.topic} {context.field} {data.decode() if isinstance(data, bytes) else data}"


class Placed:
    """As confluent's: the context may be left out."""

    def __call__(self, data: Any, ctx: Any = None) -> Any:
        return placed(data, ctx)


instance = Placed()


class NeedsArguments:
    def __init__(self, name: str) -> None: ...

    def __call__(self, data: bytes) -> None: ...


class Made(Placed):
    def __init__(self) -> None:
        made.append("Made")


def factory() -> Placed:
    made.append("factory")
    return Placed()


def factory_of_plain() -> Any:
    return plain


def factory_of_nothing() -> Any:
    return 7


def factory_that_fails() -> Any:
    made.append("failed")
    if len(made) < 3:
        raise ConnectionRefusedError
    return plain


async def asynchronous(data: bytes) -> None: ...


class Asynchronous:
    async def __call__(self, data: bytes, ctx: Any = None) -> None: ...


asynchronous_instance = Asynchronous()


def takes_three(data: bytes, context: Any, more: Any) -> None: ...


def adds_a_header(value: Any, ctx: Any) -> bytes:
    ctx.headers.append((f"{ctx.field}-schema", "7"))
    return str(value).encode()


def read_the_second_when_allowed(data: bytes, ctx: Any) -> str:
    """Blocks whoever reads, as one does that asks somebody over the network."""
    assert data != b"second" or may_read.wait(10)
    return data.decode()


not_callable = 7

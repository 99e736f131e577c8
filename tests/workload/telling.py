"""Handlers that tell on standard output what they got, a line of JSON a message, in one piece."""

from __future__ import annotations

import json
import os
import threading

from kafka_integration import Message


def tell(message: Message) -> None:
    _write(message)


def tell_after_a_moment(message: Message) -> None:
    threading.Event().wait(0.05)
    _write(message)


def take_two_seconds(message: Message) -> None:
    """Says when it begins."""
    os.write(1, b"BEGIN %s\n" % (message.value_bytes or b""))
    threading.Event().wait(2)
    _write(message)


async def tell_async(message: Message) -> None:
    _write(message)


class Batches:
    def handle_messages(self, messages: list[Message]) -> None:
        for message in messages:
            _write(message)


def stumble(message: Message) -> None:
    """Fails at the value "stumble"."""
    if message.value == "stumble":
        raise ValueError("as told")
    _write(message)


def _write(message: Message) -> None:
    facts = {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "key": _hex(message.key_bytes),
        "value": _hex(message.value_bytes),
        "headers": [(name, _hex(value)) for name, value in message.headers],
        "ts": message.ts,
        "pid": os.getpid(),
        "thread": threading.current_thread().name,
    }
    # Unbuffered, print() writes its pieces one by one, and other threads and processes come in between.
    os.write(1, f"GOT {json.dumps(facts)}\n".encode())


def _hex(data: bytes | None) -> str | None:
    return None if data is None else data.hex()

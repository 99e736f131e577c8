"""Consumers on the memory transport, for tests of what the loop and its lanes do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.test import override_settings

from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import assemble
from kafka_integration.consuming.loop import ConsumerLoop, Phase

HANDLER = "tests.unit.scripted.handle"
TOPIC = "events"


def consumer_settings(**options: Any) -> dict[str, Any]:
    """``KAFKA`` with one consumer, "c"."""
    defaults = {
        "topics": [TOPIC],
        "consumer_group": "group",
        "message_handler": HANDLER,
        "on_failure": "stop",
        "retry": {"attempts": 1, "backoff_seconds": 0.01, "max_backoff_seconds": 0.02},
        "offset_commit_interval_seconds": 0.1,
    }
    return {"endpoints": "memory", "consumers": {"c": defaults | options}}


def write(*values: Any, topic: str = TOPIC, partition: int = 0, key: Any = None) -> None:
    for value in values:
        memory_broker().produce(topic, value, key=key, partition=partition)


def committed(partition: int = 0, group: str = "group", topic: str = TOPIC) -> int | None:
    return memory_broker().committed(group, topic, partition)


def consume(*, max_messages: int | None = None, **options: Any) -> ConsumerLoop:
    """Run a consumer until it has caught up, in this thread; its loop, stopped."""
    with override_settings(KAFKA=consumer_settings(**options)):
        parts = assemble(get_settings().consumers["c"])
        loop = ConsumerLoop(parts, until_caught_up=max_messages is None, max_messages=max_messages)
        loop.run()
    return loop


def calls_of(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[None]:
    """A list that gets longer with each call of the method that returned: to wait for some more, however long."""
    calls: list[None] = []
    method = getattr(owner, name)

    def call(*arguments: Any, **options: Any) -> Any:
        returned = method(*arguments, **options)
        calls.append(None)
        return returned

    monkeypatch.setattr(owner, name, call)
    return calls


@contextmanager
def running(
    *, until_caught_up: bool = False, max_messages: int | None = None, **options: Any
) -> Iterator[ConsumerLoop]:
    """A consumer that runs in a thread until the block ends."""
    with override_settings(KAFKA=consumer_settings(**options)):
        parts = assemble(get_settings().consumers["c"])
        loop = ConsumerLoop(parts, until_caught_up=until_caught_up, max_messages=max_messages)
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            yield loop
        finally:
            loop.stop()
            thread.join(20)
    assert loop.phase is Phase.STOPPED

"""Members of consumer groups in threads of the test's process, on whatever broker ``KAFKA`` names."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

from kafka_integration import Message
from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import assemble
from kafka_integration.consuming.loop import ConsumerLoop, Phase
from tests.owned import owned
from tests.waiting import wait_for

HANDLER = "tests.embedded.members.handle"

handled: list[tuple[str, Message]] = []
"""What came, with the name of the consumer that got it."""
_before: dict[str, Callable[[Message], None]] = {}


def handle(message: Message) -> None:
    consumer = threading.current_thread().name.partition("-lane-")[0]
    if before := _before.get(consumer):
        before(message)
    handled.append((consumer, message))


def values_of(consumer: str) -> list[Any]:
    return [message.value for name, message in list(handled) if name == consumer]


class Member:
    """A consumer that runs until ``stop``, or by itself with the options of ``runconsumer``."""

    def __init__(self, name: str, *, before: Callable[[Message], None] | None = None, **options: Any) -> None:
        self.name = name
        if before is not None:
            _before[name] = before
        self.loop = ConsumerLoop(assemble(get_settings().consumers[name]), **options)
        self._thread = threading.Thread(target=self.loop.run, name=f"consumer-{name}")
        self._thread.start()

    @property
    def places(self) -> list[tuple[str, int]]:
        """The partitions that it owns, and has found the beginning of."""
        return sorted(p.key for p in owned(self.loop) if p.state.value == "active")

    def wait_places(self, count: int, timeout: float = 20.0) -> None:
        wait_for(lambda: len(self.places) == count, timeout, lambda: f"{self.name} has {count} places: {self.places}")

    def join(self, timeout: float = 20.0) -> None:
        self._thread.join(timeout)
        assert self.loop.phase is Phase.STOPPED, f"{self.name} still runs"

    def stop(self) -> None:
        self.loop.stop()
        self.join()


class Members:
    """Starts members and stops them all in the end; configures a topic and groups that nobody else uses."""

    def __init__(self, settings: Any, endpoints: Any = "embedded") -> None:
        self.topic = f"topic-{uuid.uuid4().hex[:8]}"
        self.group = f"group-{uuid.uuid4().hex[:8]}"
        self._settings = settings
        self._endpoints = endpoints
        self._running: list[Member] = []
        handled.clear()
        _before.clear()
        self.configure("one", "two")

    def configure(self, *names: str, **options: Any) -> None:
        """Consumers of these names, of one group unless the options say otherwise."""
        consumer = {
            "topics": [self.topic],
            "consumer_group": self.group,
            "message_handler": HANDLER,
            "on_failure": "stop",
            "offset_commit_interval_seconds": 0.1,
        }
        self._settings.KAFKA = {
            "endpoints": self._endpoints,
            "consumers": {name: {**consumer, **options} for name in names},
        }

    def start(self, name: str, **options: Any) -> Member:
        member = Member(name, **options)
        self._running.append(member)
        return member

    def run(self, name: str) -> Member:
        """Start it and wait until it has caught up."""
        member = self.start(name, until_caught_up=True)
        member.join()
        assert member.loop.fault is None, member.loop.fault
        return member

    def close(self) -> None:
        for member in self._running:
            member.stop()

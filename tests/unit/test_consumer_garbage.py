"""What only the garbage collector can free doesn't pile up behind large messages."""

from __future__ import annotations

import gc
import weakref

import pytest

from kafka_integration.consuming.lanes.garbage import DUE_BYTES, Garbage
from tests.unit import scripted
from tests.unit.consumers import consume, write

SIZE = 1024 * 1024


class Cyclic(Exception):  # noqa: N818 - a thing to count
    """One that its own frame refers to."""


@pytest.fixture
def lazy_collector():
    thresholds = gc.get_threshold()
    gc.set_threshold(10_000_000)
    yield
    gc.set_threshold(*thresholds)


@pytest.mark.django_db(transaction=True)
def test_failures_that_hold_large_messages_are_freed_soon(memory_transport, lazy_collector, monkeypatch):
    # The handler's own list of messages would keep them.
    monkeypatch.setattr(scripted, "seen", type("Forgetful", (), {"append": lambda self, message: None})())
    alive = weakref.WeakSet()
    most = 0

    def fail(message):
        nonlocal most
        error = Cyclic()
        alive.add(error)
        most = max(most, len(alive))
        raise error

    scripted.script.append(fail)
    for _ in range(4 * DUE_BYTES // SIZE):
        write(b"v" * SIZE)

    consume(on_failure="dead_letter", retry={"attempts": 1})

    assert most <= 2 * DUE_BYTES // SIZE


def test_a_collector_that_is_turned_off_stays_so(monkeypatch):
    monkeypatch.setattr(gc, "isenabled", lambda: False)
    monkeypatch.setattr(gc, "collect", lambda generation: pytest.fail("it was asked"))

    Garbage().collect()

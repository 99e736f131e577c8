"""Replays where messages are handled by key: each holds its key alone, and goes beside the messages of all others."""

from __future__ import annotations

import threading

import pytest

from kafka_integration.dead_letters.operations import Selection, request_replay
from kafka_integration.models import DeadLetter
from tests.unit import scripted
from tests.unit.consumers import committed, consume, running, write
from tests.unit.test_dead_letters_tasks import request_replays
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("transactional_db", "memory_transport")


class Gate:
    """The handler waits at the values that are in ``closed``, and notes which it has begun."""

    def __init__(self, *closed):
        self.begun = []
        self._opened = {value: threading.Event() for value in closed}

    def __call__(self, message):
        self.begun.append((message.value, message.attempt))
        if message.value in self._opened:
            assert self._opened[message.value].wait(20)

    def open(self, *values):
        for value in values:
            self._opened[value].set()


# SQLite's one writer would wait for a handler that waits.
STORAGES = pytest.mark.parametrize(
    "offset_storage", ["kafka", pytest.param("database", marks=pytest.mark.server_database)]
)


def park(value, key, **options):
    """A dead letter of this message."""
    write(value, key=key)
    scripted.script[:] = [lambda message: 1 / 0]
    consume(ordering="key", on_failure="dead_letter", **options)
    scripted.reset()


@pytest.mark.parametrize("ordering", ["key", "none"])
@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_a_running_consumer_replays_what_is_asked_for_though_no_message_comes(ordering, concurrency, offset_storage):
    park("a", key="k", offset_storage=offset_storage)
    request_replay(Selection(), "default")

    options = {"ordering": ordering, "concurrency": concurrency, "offset_storage": offset_storage}
    with running(**options, on_failure="dead_letter"):
        wait_for(lambda: scripted.seen)

    assert [(message.value, message.attempt) for message in scripted.seen] == [("a", 2)]
    assert [letter.state for letter in DeadLetter.objects.all()] == ["handled"]
    assert committed() == 1


@STORAGES
def test_messages_of_its_key_wait_for_a_replay_and_others_do_not(offset_storage):
    park("parked", key="k", offset_storage=offset_storage)
    gate = Gate("parked")
    scripted.script[:] = [gate]
    request_replay(Selection(), "default")

    with running(ordering="key", concurrency=3, on_failure="dead_letter", offset_storage=offset_storage):
        wait_for(lambda: gate.begun)
        write("same", key="k")
        write("other", "more", key="l")
        wait_for(lambda: ("more", 1) in gate.begun)
        begun = list(gate.begun)
        gate.open("parked")
        wait_for(lambda: committed() == 4)

    assert begun == [("parked", 2), ("other", 1), ("more", 1)]
    assert gate.begun[3:] == [("same", 1)]


@STORAGES
def test_a_replay_waits_for_what_of_its_key_is_in_a_handlers_hands_and_comes_before_what_waits(offset_storage):
    park("parked", key="k", offset_storage=offset_storage)
    gate = Gate("first")
    scripted.script[:] = [gate]
    write("first", key="k")

    with running(ordering="key", concurrency=3, on_failure="dead_letter", offset_storage=offset_storage):
        wait_for(lambda: gate.begun)
        write("second", key="k")
        wait_for(request_replays)
        write("other", key="l")
        wait_for(lambda: ("other", 1) in gate.begun)
        begun = list(gate.begun)
        gate.open("first")
        wait_for(lambda: ("parked", 2) in gate.begun)
        wait_for(lambda: committed() == 4)

    assert begun == [("first", 1), ("other", 1)]
    assert sorted(gate.begun[2:]) == [("parked", 2), ("second", 1)]


@STORAGES
def test_who_takes_the_partition_away_waits_for_its_replay(offset_storage):
    park("parked", key="k", offset_storage=offset_storage)
    gate = Gate("parked")
    scripted.script[:] = [gate]
    request_replay(Selection(), "default")

    with running(ordering="key", concurrency=2, on_failure="dead_letter", offset_storage=offset_storage) as loop:
        wait_for(lambda: gate.begun)
        loop.stop()
        assert not loop._lanes.is_idle
        gate.open("parked")

    assert [letter.state for letter in DeadLetter.objects.all()] == ["handled"]

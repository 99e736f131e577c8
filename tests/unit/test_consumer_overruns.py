"""How long a handler may take when its partition has to go, and how often one that takes longer is given up."""

from __future__ import annotations

import threading
from itertools import count
from time import monotonic
from types import SimpleNamespace

import pytest
from confluent_kafka import Message as RawMessage

from kafka_integration import Message
from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import make_work
from kafka_integration.consuming.handling.loading import load_handler
from kafka_integration.consuming.lanes.lane import Lane
from kafka_integration.consuming.lanes.pool import MAX_ABANDONED, Lanes
from kafka_integration.consuming.lanes.work import Remainder
from kafka_integration.consuming.ordering.chunk import Chunk
from kafka_integration.consuming.partition import Partition
from kafka_integration.message import Decoding
from kafka_integration.models import DeadLetter
from kafka_integration.observing.counts import Counts, Tally
from kafka_integration.observing.observers import Observers
from tests.unit import scripted
from tests.unit.consumers import TOPIC, consumer_settings
from tests.waiting import wait_for


class Sticking:
    """Work that doesn't return for partitions of the topic "stuck" until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.handled: list[Partition] = []

    def handle(self, partition, chunk):
        if partition.topic == "stuck":
            self.released.wait(20)
        self.handled.append(partition)
        return Remainder()

    def idle(self):
        pass

    def close(self):
        pass


@pytest.fixture
def work():
    return Sticking()


@pytest.fixture
def lanes(work):
    faults = []

    def make_lane(name):
        return Lane(name, work, batch_size=10, on_fault=faults.append, on_room=lambda: None)

    made = Lanes(1, make_lane)
    yield made
    work.released.set()
    made.stop(timeout=5)
    assert faults == []


numbers = count()


def adopted(lanes: Lanes, topic: str) -> Partition:
    """A partition with one message."""
    partition = Partition(topic, next(numbers))
    partition.start.place()
    lanes.adopt(partition)
    lanes.of(partition).put(partition, [SimpleNamespace(offset=0)], 1)
    return partition


def give_up(lanes: Lanes) -> None:
    """A handler that overruns the deadline at which its partition has to go."""
    partition = adopted(lanes, "stuck")
    wait_for(lambda: partition.line.is_busy)
    assert lanes.drop([partition], monotonic() + 0.01) == [partition]
    try:
        lanes.abandon(partition)
    finally:
        lanes.let_go(partition)


def test_what_is_in_a_handlers_hands_may_finish_until_the_deadline(lanes, work):
    partition = adopted(lanes, "stuck")
    wait_for(lambda: partition.line.is_busy)
    threading.Timer(0.2, work.released.set).start()

    assert lanes.drop([partition], monotonic() + 10) == []
    assert work.handled == [partition]


def test_those_that_have_returned_in_the_end_do_not_count(lanes, work):
    for _ in range(MAX_ABANDONED):
        give_up(lanes)
    work.released.set()
    wait_for(lambda: len(work.handled) == MAX_ABANDONED)
    work.released.clear()

    # The last of the threads may be on its way out.
    wait_for(lambda: sum(thread.name.startswith("lane-") for thread in threading.enumerate()) == 1)
    give_up(lanes)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("on_failure", ["dead_letter", "stop", "skip"])
@pytest.mark.parametrize("options", [{}, {"deduplicate": True}], ids=str)
def test_what_fails_in_the_end_is_for_the_new_owner_to_decide(settings, memory_transport, options, on_failure):
    """It may handle the message well: a dead letter beside that could be replayed."""
    settings.KAFKA = consumer_settings(on_failure=on_failure, **options)
    counts, partition = Counts(), Partition(TOPIC, 0)
    consumer = get_settings().consumers["c"]
    handler = load_handler(consumer.message_handler)
    work = make_work(consumer, handler=handler, store=None, observers=Observers(counts))

    def overrun(message):
        partition.revoke()
        raise ValueError

    scripted.script.append(overrun)
    raw = RawMessage(topic=TOPIC, partition=0, offset=0, key=None, value=b"a", headers=None, timestamp=(1, 5))

    remainder = work.handle(partition, Chunk(messages=[Message(raw, Decoding(key=bytes.decode, value=bytes.decode))]))

    assert remainder == Remainder()
    assert not DeadLetter.objects.exists()
    assert counts.read() == Tally()

"""Lanes whose handlers overrun a deadline: the other partitions go on elsewhere, each in one place."""

from __future__ import annotations

import threading

import pytest

from kafka_integration.consuming.lanes import lane as lane_module
from kafka_integration.consuming.lanes.lane import Lane
from kafka_integration.consuming.lanes.pool import Lanes
from kafka_integration.consuming.lanes.work import Remainder
from kafka_integration.consuming.ordering.stream import State
from kafka_integration.consuming.partition import Partition
from kafka_integration.errors import TooManyStuckHandlersError
from tests.waiting import wait_for


class Gates:
    """A lane's work that waits, for each partition, until the test lets it go on."""

    def __init__(self):
        self.handled = []
        self.remainder = Remainder()
        self._gates = {}

    def of(self, partition):
        return self._gates.setdefault(partition.number, threading.Event())

    def open_all(self):
        for gate in self._gates.values():
            gate.set()

    def handle(self, partition, chunk):
        self.of(partition).wait(10)
        self.handled += [(threading.current_thread().name, message) for message in chunk.messages]
        return self.remainder

    def idle(self): ...

    def close(self): ...


class Threads:
    """Lanes with partitions that all have something to do."""

    def __init__(self, *, lanes, partitions):
        self.work = Gates()
        self.faults = []
        self.lanes = Lanes(lanes, self._make_lane)
        self.partitions = [Partition("events", number) for number in range(partitions)]
        for partition in self.partitions:
            partition.start.place()
            self.work.of(partition)
            self.lanes.adopt(partition)

    def put(self, partition, *messages):
        for message in messages:
            self.lanes.of(partition).put(partition, [message], 1)

    def begin(self, partition, *messages):
        self.put(partition, *messages)
        wait_for(lambda: partition.line.is_busy, message="the handler has begun")

    def _make_lane(self, name):
        return Lane(name, self.work, batch_size=1, on_fault=self.faults.append, on_room=lambda: None)


@pytest.fixture
def start_lanes():
    started = []

    def start(**numbers):
        started.append(Threads(**numbers))
        return started[-1]

    yield start
    for threads in started:
        threads.work.open_all()
        threads.lanes.stop(timeout=5)
        assert not threads.faults


def test_partitions_beside_a_stuck_handler_go_on_in_another_thread(start_lanes):
    threads = start_lanes(lanes=1, partitions=2)
    stuck, other = threads.partitions
    threads.begin(stuck, "a")
    threads.put(other, "b")

    threads.lanes.abandon(stuck)
    threads.work.of(other).set()

    wait_for(lambda: threads.work.handled == [("lane-2", "b")])


def test_a_handler_that_returned_after_its_deadline_keeps_its_thread_and_its_lanes_partitions(start_lanes):
    threads = start_lanes(lanes=1, partitions=2)
    slow, other = threads.partitions
    threads.begin(slow, "a")
    threads.put(other, "b", "c")
    (overrun,) = threads.lanes.drop([slow], 0.0)

    # It returns while the last commit is on its way, and its lane takes up the other partition.
    threads.work.of(slow).set()
    wait_for(lambda: other.line.is_busy)
    threads.lanes.abandon(overrun)
    threads.work.of(other).set()

    wait_for(lambda: len(threads.work.handled) == 3)
    assert threads.work.handled == [("lane-1", "a"), ("lane-1", "b"), ("lane-1", "c")]


def test_every_lane_may_be_at_work_when_its_partition_is_lost(start_lanes):
    threads = start_lanes(lanes=12, partitions=12)
    for partition in threads.partitions:
        threads.begin(partition, "a")

    for partition in threads.lanes.drop(threads.partitions, 0.0):
        threads.lanes.abandon(partition)
        threads.lanes.let_go(partition)
    next_one = Partition("events", 99)
    next_one.start.place()
    threads.work.of(next_one).set()
    threads.lanes.adopt(next_one)
    threads.put(next_one, "b")

    wait_for(lambda: [message for _, message in threads.work.handled] == ["b"])


def test_handlers_that_never_return_are_given_up_a_limited_number_of_times(start_lanes):
    threads = start_lanes(lanes=1, partitions=9)
    for partition in threads.partitions[:8]:
        threads.begin(partition, "a")
        threads.lanes.abandon(partition)
    threads.begin(threads.partitions[8], "a")

    with pytest.raises(TooManyStuckHandlersError, match="8 handlers"):
        threads.lanes.abandon(threads.partitions[8])


def test_of_a_partition_that_has_to_be_claimed_again_nothing_waits_any_longer(start_lanes):
    threads = start_lanes(lanes=1, partitions=1)
    (partition,) = threads.partitions
    threads.work.remainder = Remainder(reclaim=True)
    threads.begin(partition, "a", "b")

    threads.work.of(partition).set()
    wait_for(lambda: not partition.line.is_busy)

    assert partition.state is State.STARTING
    assert partition.line.is_empty
    assert partition.line.held == 0
    assert [message for _, message in threads.work.handled] == ["a"]


def test_a_new_partition_goes_to_a_lane_whose_handler_returns(start_lanes, monkeypatch):
    monkeypatch.setattr(lane_module, "HELD_UP_SECONDS", 0.05)
    threads = start_lanes(lanes=2, partitions=3)
    hangs = next(lane for lane in map(threads.lanes.of, threads.partitions) if lane.load == 1)
    alone = next(p for p in threads.partitions if threads.lanes.of(p) is hangs)
    threads.begin(alone, "a")
    wait_for(lambda: hangs.is_held_up)

    added = Partition("events", 9)
    threads.lanes.adopt(added)

    assert threads.lanes.of(added) is not hangs


def test_where_every_lane_is_held_up_a_new_partition_goes_to_the_one_with_the_fewest(start_lanes, monkeypatch):
    monkeypatch.setattr(lane_module, "HELD_UP_SECONDS", 0.0)
    threads = start_lanes(lanes=2, partitions=3)
    for partition in threads.partitions[:2]:
        threads.begin(partition, "a")
    fewest = min(map(threads.lanes.of, threads.partitions), key=lambda lane: lane.load)

    added = Partition("events", 9)
    threads.lanes.adopt(added)

    assert threads.lanes.of(added) is fewest


def test_a_call_that_raises_answers_with_that_and_is_the_end_of_the_lane(start_lanes):
    threads = start_lanes(lanes=1, partitions=1)
    fault = RuntimeError("a fault of the lane's own")

    def fail():
        raise fault

    answer = threads.lanes.of(threads.partitions[0]).call(fail)

    assert answer.exception(5) is fault
    wait_for(lambda: threads.faults)
    assert threads.faults.pop() is fault

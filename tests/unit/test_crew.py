"""A crew of threads: who has something in hand, what becomes of one that is stuck, and of what comes back too late."""

from __future__ import annotations

import threading
from time import monotonic

import pytest

from kafka_integration.consuming.lanes.crew import Crew
from kafka_integration.consuming.lanes.tasks import Task
from kafka_integration.consuming.lanes.turns import Turns
from kafka_integration.consuming.lanes.work import Remainder
from kafka_integration.consuming.offsets.start import Start
from kafka_integration.consuming.ordering.chunk import Chunk
from kafka_integration.consuming.ordering.shards import Shards
from kafka_integration.consuming.partition import Partition
from kafka_integration.errors import TooManyStuckHandlersError
from kafka_integration.message import Decoding, KeptRecord, Message
from tests.waiting import wait_for

DECODING = Decoding(key=bytes, value=bytes)


def message(offset, key, number=0):
    return Message(KeptRecord(place=("events", number, offset), key=key, value=b"", headers=[]), DECODING)


def placed(number=0):
    partition = Partition("events", number, "key")
    partition.start.place()
    return partition


class Work:
    """Handlers that wait, each at its key, until the test lets them go on."""

    def __init__(self):
        self.handled = []
        self.faults = {}
        self._gates = {}

    def gate(self, key):
        return self._gates.setdefault(key, threading.Event())

    def open_all(self):
        for gate in self._gates.values():
            gate.set()

    def handle(self, stream, chunk):
        key = stream.key_bytes
        self.handled.append(key)
        assert self.gate(key).wait(10)
        if key in self.faults:
            raise self.faults[key]
        return Remainder()

    def idle(self): ...

    def close(self): ...


class Replays:
    """Tasks that are there, each given out once."""

    def __init__(self, tasks):
        self._tasks = tasks

    def next(self, partitions):
        return self._tasks.pop(0) if self._tasks else None


class Threads:
    def __init__(self, size):
        self.work = Work()
        self.faults = []
        self.crew = Crew("c", size, lambda name: self.work, on_fault=self.faults.append, on_room=lambda: None)
        self.offset = 0

    def adopt(self, number=0):
        partition = placed(number)
        self.crew.adopt(partition)
        return partition

    def put(self, partition, *keys):
        for key in keys:
            self.crew.put(partition, [message(self.offset, key, partition.number)], 1)
            self.offset += 1


@pytest.fixture
def start_crew():
    started = []

    def start(size):
        started.append(Threads(size))
        return started[-1]

    yield start
    for threads in started:
        threads.work.open_all()
        threads.crew.stop(timeout=5)


def test_beside_stuck_handlers_of_a_partition_others_take_their_places(start_crew):
    threads = start_crew(2)
    stuck, other = threads.adopt(0), threads.adopt(1)
    threads.put(stuck, b"a", b"b")
    wait_for(lambda: len(threads.work.handled) == 2)
    threads.put(other, b"c", b"d")

    assert threads.crew.drop([stuck], monotonic() + 0.05) == [stuck]
    threads.crew.abandon(stuck)
    threads.crew.let_go(stuck)

    wait_for(lambda: {b"c", b"d"} <= {*threads.work.handled})
    threads.work.gate(b"c").set()
    threads.work.gate(b"d").set()
    wait_for(lambda: threads.crew.is_idle)
    assert stuck.line.is_busy


def test_handlers_that_never_return_are_given_up_a_limited_number_of_times(start_crew):
    threads = start_crew(1)
    for number in range(9):
        partition = threads.adopt(number)
        threads.put(partition, b"%d" % number)
        wait_for(lambda partition=partition: partition.line.is_busy)
        if number < 8:
            threads.crew.abandon(partition)

    with pytest.raises(TooManyStuckHandlersError, match="8 handlers"):
        threads.crew.abandon(partition)


def test_beside_a_stuck_replay_of_a_partition_that_goes_others_are_done(start_crew):
    threads, released, done = start_crew(2), threading.Event(), threading.Event()
    stuck = threads.adopt(0)
    tasks = [
        Task(partition=stuck, key_bytes=b"a", run=lambda: released.wait(10) and False),
        Task(partition=None, run=lambda: done.set() or False),
    ]
    threads.crew._tasks = Replays(tasks)
    wait_for(lambda: stuck.line.is_busy)

    try:
        assert threads.crew.drop([stuck], monotonic() + 0.05) == [stuck]
        threads.crew.abandon(stuck)
        threads.crew.let_go(stuck)

        assert done.wait(5)
    finally:
        released.set()


def test_a_partition_is_let_go_once_none_of_its_handlers_is_at_work(start_crew):
    threads = start_crew(3)
    partition = threads.adopt()
    threads.put(partition, b"a", b"b")
    wait_for(lambda: len(threads.work.handled) == 2)
    threads.work.gate(b"a").set()
    wait_for(lambda: not any(shard.key_bytes == b"a" for shard in partition.line._in_hand))

    assert threads.crew.drop([partition], monotonic() + 0.05) == [partition]
    threads.work.gate(b"b").set()
    assert threads.crew.drop([partition], monotonic() + 5) == []


def test_after_a_fault_there_is_still_somebody_to_call(start_crew):
    threads = start_crew(1)
    partition = threads.adopt()
    threads.work.faults[b"a"] = fault = RuntimeError("the end of a thread")
    threads.work.gate(b"a").set()
    threads.put(partition, b"a")
    wait_for(lambda: threads.faults)

    answer = threads.crew.call(lambda: "called")

    assert answer.result(5) == "called"
    assert threads.faults == [fault]
    assert partition.line.is_stopping


def test_what_comes_back_while_its_partition_begins_anew_is_not_begun():
    turns, partition = Turns(), placed()
    turns.adopt(partition)
    turns.put(partition, [message(0, b"a"), message(1, b"a")], 2)
    hand = turns.take()
    partition.restart(Start())
    turns.open(partition)

    turns.give_back(hand, Remainder([Chunk(messages=hand[2].messages[1:])]))

    assert turns.take() is None


def test_an_outage_is_over_for_the_others_when_the_partition_goes_whose_handler_is_stuck_trying():
    turns, stuck, other = Turns(), placed(0), placed(1)
    for partition in (stuck, other):
        turns.adopt(partition)
        turns.put(partition, [message(0, b"a", partition.number)], 1)
    hand = turns.take()
    turns.give_back(hand, Remainder([hand[2]], is_outage=True))
    _, trying, _ = turns.take()
    assert trying.number == 0
    assert turns.take() is None

    turns.drop([stuck])
    turns.let_go(stuck)

    assert turns.take()[1].number == 1
    assert not turns.is_probing


@pytest.mark.parametrize("is_fenced", [True, False])
def test_a_backoff_that_comes_back_while_its_partition_begins_anew_does_not_hold_that_up(is_fenced):
    turns, partition = Turns(), placed()
    turns.adopt(partition)
    turns.put(partition, [message(0, b"a"), message(1, b"b")], 2)
    hands = [turns.take(), turns.take()]
    if is_fenced:
        turns.give_back(hands[0], Remainder(reclaim=True))
    else:
        partition.restart(Start())
        turns.open(partition)

    turns.give_back(hands[1], Remainder([hands[1][2]], delay_seconds=3600))

    assert partition.line.ready_at <= monotonic()
    assert partition.line.is_empty


class WatchedShards(Shards):
    """Notes each time that it says whether it is busy."""

    said: list

    def __setattr__(self, name, value):
        if name == "is_busy":
            WatchedShards.said.append(value)
        super().__setattr__(name, value)


def test_a_partition_is_busy_without_a_moment_in_between_as_long_as_something_of_it_is_in_hand():
    WatchedShards.said = []
    turns, partition = Turns(), placed()
    partition.line = WatchedShards(partition, "key")
    turns.adopt(partition)
    turns.put(partition, [message(0, b"a"), message(1, b"b"), message(2, b"c")], 3)

    hands = [turns.take() for _ in range(3)]
    WatchedShards.said.clear()
    turns.give_back(hands[0], Remainder())
    turns.give_back(hands[2], Remainder())
    said = list(WatchedShards.said)
    turns.give_back(hands[1], Remainder())

    assert False not in said
    assert WatchedShards.said[-1] is False

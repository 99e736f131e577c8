"""Replays beside live messages: when a lane does them, and that nobody takes a partition away meanwhile."""

from __future__ import annotations

import threading
from time import monotonic

import pytest
from django.db import OperationalError

from kafka_integration.consuming.lanes.lane import Lane
from kafka_integration.consuming.lanes.pool import Lanes
from kafka_integration.consuming.lanes.tasks import Task
from kafka_integration.consuming.lanes.work import Remainder
from kafka_integration.consuming.ordering.stream import State
from kafka_integration.consuming.partition import Partition
from kafka_integration.dead_letters.operations import Selection, request_replay
from kafka_integration.models import DeadLetter
from tests.owned import owned
from tests.unit import scripted
from tests.unit.consumers import committed, consume, running, write
from tests.waiting import wait_for


class Work:
    """Notes what it handles; ``during`` is called for each chunk."""

    def __init__(self):
        self.handled = []
        self.during = lambda: None

    def handle(self, partition, chunk):
        self.during()
        self.handled += chunk.messages
        partition.ledger.finish(chunk.messages[-1])
        return Remainder()

    def idle(self): ...

    def close(self): ...


class Given:
    """Tasks that the test gives."""

    def __init__(self):
        self.waiting = []

    def next(self, partitions):
        return self.waiting.pop(0) if self.waiting else None


class Asker:
    def __init__(self):
        self.faults = []
        self.work = Work()
        self.tasks = Given()
        self.lanes = Lanes(1, self.make_lane)
        self.partition = Partition("events", 0)
        self.partition.start.place()
        self.lanes.adopt(self.partition)
        self.lane = self.lanes.of(self.partition)

    def make_lane(self, name):
        return Lane(
            name,
            self.work,
            batch_size=1,
            on_fault=self.faults.append,
            on_room=lambda: None,
            tasks=self.tasks,
        )

    def give(self, run, partition=None):
        self.tasks.waiting.append(Task(partition=partition, run=run))

    def begin(self, partition=None):
        """An task that has begun, and goes on once the event that this returns is set."""
        begun, go_on = threading.Event(), threading.Event()

        def run():
            begun.set()
            go_on.wait(5)
            return False

        self.give(run, partition)
        assert begun.wait(5)
        return go_on

    def put(self, *messages):
        self.lane.put(self.partition, list(messages), 0)


@pytest.fixture
def asker():
    asker = Asker()
    yield asker
    asker.lanes.stop(5)


def test_an_idle_lane_does_its_tasks(asker):
    done = threading.Event()

    asker.give(done.set)

    assert done.wait(5)


def test_live_messages_and_tasks_take_turns(asker):
    order = []
    asker.work.during = lambda: order.append("message")
    for _ in range(3):
        asker.give(lambda: order.append("task"), asker.partition)
        asker.put("m")

    wait_for(lambda: len(order) == 6)

    assert sorted(order) == ["message"] * 3 + ["task"] * 3
    assert "task,task,task" not in ",".join(order)


def test_a_message_never_runs_beside_an_task_of_its_partition(asker):
    seen = []
    asker.work.during = lambda: seen.append(go_on.is_set())
    go_on = asker.begin(asker.partition)

    asker.put("m")
    assert not asker.lane.wait_idle(asker.partition, monotonic() + 0.2)
    go_on.set()

    wait_for(lambda: asker.work.handled)
    assert seen == [True]


def test_who_takes_the_partition_away_waits_for_its_task(asker):
    go_on = asker.begin(asker.partition)

    assert asker.lanes.drop([asker.partition], monotonic() + 0.1) == [asker.partition]
    go_on.set()
    assert asker.lanes.drop([asker.partition], monotonic() + 5) == []


def test_nothing_is_begun_for_a_partition_that_is_going(asker):
    ran = []
    asker.lanes.drop([asker.partition], monotonic() + 1)

    asker.give(lambda: ran.append(1), asker.partition)
    wait_for(lambda: not asker.tasks.waiting)

    assert ran == []


def test_an_task_for_no_partition_keeps_the_consumer_from_leaving(asker):
    go_on = asker.begin()

    assert not asker.lanes.is_idle
    go_on.set()
    wait_for(lambda: asker.lanes.is_idle)


def test_once_told_to_stop_tasks_a_lane_begins_none(asker):
    asker.lanes.stop_tasks()

    ran = []
    asker.give(lambda: ran.append(1))
    asker.put("m")
    wait_for(lambda: asker.work.handled)

    assert ran == []


def test_an_task_that_lost_its_partition_has_it_claimed_again(asker):
    asker.give(lambda: True, asker.partition)

    wait_for(lambda: asker.partition.state is State.STARTING)

    assert not asker.partition.line.is_busy


def test_an_task_that_ends_the_process_faults_the_lane(asker):
    def leave():
        raise SystemExit(3)

    asker.give(leave, asker.partition)

    wait_for(lambda: asker.faults)
    assert isinstance(asker.faults[0], SystemExit)
    assert not asker.partition.line.is_busy


@pytest.fixture
def parked(transactional_db, memory_transport):
    """Messages of two partitions that failed."""
    write("a", partition=0)
    write("b", partition=1)
    scripted.script[:] = [lambda message: 1 / 0]
    consume(on_failure="dead_letter")
    scripted.reset()
    return list(DeadLetter.objects.order_by("pk"))


@pytest.mark.parametrize("storage", ["kafka", "database"])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_running_consumer_replays_what_is_asked_for(parked, storage, concurrency):
    request_replay(Selection(ids=[parked[0].pk]), "default")

    with running(on_failure="dead_letter", offset_storage=storage, concurrency=concurrency):
        wait_for(lambda: scripted.seen)

    assert [(message.value, message.attempt) for message in scripted.seen] == [("a", 2)]
    assert [letter.state for letter in DeadLetter.objects.order_by("pk")] == ["handled", "parked"]


def test_replays_do_not_move_offsets(parked):
    before = committed(0)
    request_replay(Selection(), "default")

    with running(on_failure="dead_letter"):
        wait_for(lambda: len(scripted.seen) == 2)

    assert committed(0) == before == 1


def test_of_two_members_of_a_group_the_owner_replays(parked):
    threads = {}
    scripted.script[:] = [lambda message: threads.update({message.partition: threading.current_thread()})]

    with running(on_failure="dead_letter") as first, running(on_failure="dead_letter") as second:
        wait_for(lambda: len(owned(first)) == len(owned(second)) == 2)
        wait_for(request_replays)
        wait_for(lambda: len(threads) == 2)
        owners = {partition.number: loop for loop in (first, second) for partition in owned(loop)}

    for partition, thread in threads.items():
        assert thread in [lane._thread for lane in owners[partition]._lanes._lanes]


def request_replays():
    """SQLite's shared memory refuses to write while somebody reads, instead of waiting."""
    try:
        return request_replay(Selection(), "default").changed
    except OperationalError:
        return None

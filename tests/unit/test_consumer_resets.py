"""A running consumer goes on where it is told to, without a restart, on the memory transport."""

from __future__ import annotations

import threading

import pytest

from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.consuming.group.resets import ENDS, NOT_OURS
from kafka_integration.consuming.ordering.stream import State
from kafka_integration.models import FinishedOffset, StoredOffset
from tests.unit import scripted
from tests.unit.consumers import TOPIC, committed, running, write
from tests.waiting import wait_for

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db(transaction=True)]

KINDS = pytest.mark.parametrize(
    "options",
    [
        {},
        {"ordering": "key", "concurrency": 3},
        {"offset_storage": "database"},
        {"offset_storage": "database", "ordering": "none", "concurrency": 3},
        {"offset_storage": "database", "transaction": "batch"},
    ],
    ids=["kafka", "kafka by key", "database", "database side by side", "database in batches"],
)


def state_of(loop):
    return next(partition.state for partition in loop.partitions if partition.key == (TOPIC, 0))


def values():
    return [message.value for message in scripted.seen]


@KINDS
def test_it_handles_again_what_comes_from_there_on_and_no_other(options):
    write(*"abcd")
    write("x", partition=1)
    with running(**options) as loop:
        wait_for(lambda: len(values()) == 5 and committed() == 4, 20)
        scripted.reset()

        answer = loop.resets.ask({(TOPIC, 0): 2}).result(20)

        wait_for(lambda: len(values()) == 2, 20)
        write("e")
        wait_for(lambda: len(values()) == 3, 20)
        wait_for(lambda: committed() == 5, 20)
    assert answer == {}
    assert sorted(values()) == ["c", "d", "e"]


@KINDS
def test_it_leaves_out_what_it_is_moved_beyond(options):
    first, may_go_on = threading.Event(), threading.Event()

    def wait(message):
        first.set()
        assert may_go_on.wait(20)

    write("a")
    scripted.script.append(wait)
    with running(batch_size=1, **options) as loop:
        assert first.wait(20)
        answer = loop.resets.ask({(TOPIC, 0): 4})
        wait_for(lambda: state_of(loop) is State.STARTING, 20)
        write(*"bcde")
        assert not answer.done(), "what is in the handler's hands is finished first"
        may_go_on.set()

        assert answer.result(20) == {}
        wait_for(lambda: "e" in values(), 20)
        wait_for(lambda: committed() == 5, 20)
    assert values() == ["a", "e"]


def test_the_answer_comes_when_kafka_holds_the_new_offset():
    write(*"abcd")
    with running(offset_commit_interval_seconds=600) as loop:
        wait_for(lambda: len(values()) == 4, 20)
        scripted.script.append(lambda message: threading.Event().wait(0.05))

        loop.resets.ask({(TOPIC, 0): 1}).result(20)

        assert committed() in range(1, 5)


def test_the_answer_comes_when_the_database_holds_the_new_offset():
    write(*"abcd")
    with running(offset_storage="database") as loop:
        wait_for(lambda: StoredOffset.objects.filter(partition=0, next_offset=4).exists(), 20)
        epoch = StoredOffset.objects.get(partition=0).epoch
        may_go_on = threading.Event()
        scripted.script.append(lambda message: may_go_on.wait(20))

        loop.resets.ask({(TOPIC, 0): 1}).result(20)

        row = StoredOffset.objects.get(partition=0)
        assert (row.next_offset, row.epoch) == (1, epoch + 1)
        may_go_on.set()
        wait_for(lambda: StoredOffset.objects.get(partition=0).next_offset == 4, 20)


def test_what_was_finished_beyond_is_handled_again():
    may_go_on = threading.Event()

    def wait(message):
        if message.value == "a":
            assert may_go_on.wait(20)

    scripted.script.append(wait)
    write(*"abcd")
    with running(ordering="none", concurrency=3) as loop:
        wait_for(lambda: sorted(values()) == [*"abcd"] and loop.counts.read().handled == 3, 20)
        answer = loop.resets.ask({(TOPIC, 0): 2})
        may_go_on.set()

        assert answer.result(20) == {}
        wait_for(lambda: sorted(values()) == ["a", "b", "c", "c", "d", "d"], 20)


def test_what_the_database_has_of_it_in_front_of_the_new_offset_is_forgotten():
    write(*"abcd")
    with running(offset_storage="database", ordering="none", concurrency=3) as loop:
        wait_for(lambda: StoredOffset.objects.filter(partition=0, next_offset=4).exists(), 20)
        FinishedOffset.objects.create(stored_id=StoredOffset.objects.get(partition=0).pk, offset=5)
        scripted.reset()

        assert loop.resets.ask({(TOPIC, 0): 4}).result(20) == {}
        write(*"ef")

        wait_for(lambda: sorted(values()) == ["e", "f"], 20)


def test_a_partition_of_somebody_else_stays_where_it_is():
    write(*"abcd")
    with running() as loop:
        wait_for(lambda: committed() == 4, 20)

        answer = loop.resets.ask({(TOPIC, 9): 1, ("other", 0): 1, (TOPIC, 0): 4}).result(20)

    assert answer == {(TOPIC, 9): NOT_OURS, ("other", 0): NOT_OURS}


def test_who_takes_the_partition_away_ends_it():
    may_go_on = threading.Event()
    scripted.script.append(lambda message: may_go_on.wait(20))
    write("a")
    with running(rebalance_drain_seconds=1) as loop:
        wait_for(values, 20)
        answer = loop.resets.ask({(TOPIC, 0): 0})
        wait_for(lambda: state_of(loop) is State.STARTING, 20)
        memory_broker().leave("group", next(iter(memory_broker().group("group").shares)))

        assert answer.result(20) == {(TOPIC, 0): NOT_OURS}
        may_go_on.set()


def test_a_consumer_that_ends_moves_nothing():
    with running() as loop:
        pass

    assert loop.resets.ask({(TOPIC, 0): 1}).result(1) == {(TOPIC, 0): ENDS}


def test_one_that_ends_meanwhile_says_so():
    may_go_on = threading.Event()
    scripted.script.append(lambda message: may_go_on.wait(20))
    write("a")
    with running() as loop:
        wait_for(values, 20)
        answer = loop.resets.ask({(TOPIC, 0): 0})
        loop.stop()

        assert answer.result(20) == {(TOPIC, 0): ENDS}
        may_go_on.set()

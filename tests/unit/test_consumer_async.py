"""Async handlers: one event loop for the consumer; for each lane, where the ORM is in the lane's own transaction."""

from __future__ import annotations

import threading

import pytest
from asgiref.sync import SyncToAsync
from confluent_kafka import Message as RawMessage
from django.contrib.auth.models import Group

from kafka_integration import Message
from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import make_work
from kafka_integration.consuming.committing.store import OffsetStore
from kafka_integration.consuming.handling.loading import load_handler
from kafka_integration.consuming.lanes.event_loop import EventLoop
from kafka_integration.consuming.lanes.housekeeping import Housekeeping
from kafka_integration.consuming.ordering.chunk import Chunk
from kafka_integration.consuming.ordering.stream import Claim
from kafka_integration.consuming.partition import Partition
from kafka_integration.message import Decoding
from kafka_integration.models import StoredOffset
from kafka_integration.observing.observers import Observers
from tests.unit import async_handlers, scripted
from tests.unit.consumers import TOPIC, committed, consume, consumer_settings, write
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("memory_transport")

NOTE = "tests.unit.async_handlers.note"


@pytest.fixture(autouse=True)
def nothing_noted():
    async_handlers.reset()


def test_all_messages_run_on_one_event_loop():
    write(*"abcde")
    before = set(threading.enumerate())

    loop = consume(message_handler=NOTE)

    assert loop.fault is None
    assert [message.value for message in scripted.seen] == list("abcde")
    assert len(set(async_handlers.loops)) == 1
    assert all(each.is_closed() for each in async_handlers.loops)
    wait_for(lambda: not [thread for thread in {*threading.enumerate()} - before if thread.name.startswith("c-")])


def test_what_handlers_await_of_synchronous_code_runs_in_one_thread():
    write("a", "b")
    write("a", "b", partition=1)

    consume(message_handler=NOTE, concurrency=2)

    assert set(async_handlers.sync_threads) == {"c-loop-1-sync"}


@pytest.mark.django_db(transaction=True)
def test_in_a_transaction_of_its_lane_what_a_handler_awaits_of_synchronous_code_runs_there():
    write("a", "b")

    consume(message_handler=NOTE, deduplicate=True)

    assert set(async_handlers.sync_threads) == {"c-lane-1"}


@pytest.mark.django_db(transaction=True)
def test_each_lane_with_transactions_has_a_loop_of_its_own():
    for partition in range(4):
        write("a", partition=partition)

    consume(message_handler=NOTE, concurrency=4, deduplicate=True)

    assert len(set(async_handlers.loops)) == 4
    assert set(async_handlers.sync_threads) == {f"c-lane-{number}" for number in range(1, 5)}


def test_a_failing_async_handler_is_tried_again_on_the_same_loop():
    write("a")
    scripted.script.append(lambda message: 1 / 0 if message.attempt == 1 else None)

    loop = consume(message_handler=NOTE, retry={"attempts": 2, "backoff_seconds": 0.01})

    assert [message.attempt for message in scripted.seen] == [1, 2]
    assert len(set(async_handlers.loops)) == 1
    assert loop.counts.read().handled == 1


def test_a_task_left_behind_ends_with_its_lane():
    write("a")

    consume(message_handler="tests.unit.async_handlers.leave_a_task_behind")

    assert async_handlers.ended == ["a"]
    assert async_handlers.left_behind[0].cancelled()
    assert committed() == 1


def test_an_exit_in_a_task_left_behind_does_not_take_the_loop_with_it():
    write(*"abc")

    loop = consume(message_handler="tests.unit.async_handlers.exit_in_a_task")

    assert loop.fault is None
    assert [message.value for message in scripted.seen] == ["a", "b", "c"]
    for task in async_handlers.left_behind:
        assert isinstance(task.exception(), SystemExit)


@pytest.fixture
def lane(settings):
    """Work in the test's own thread, on a lane's loop, with offsets in the database."""
    settings.KAFKA = consumer_settings(
        message_handler="tests.unit.async_handlers.write_together", offset_storage="database"
    )
    consumer = get_settings().consumers["c"]
    store = OffsetStore(database="default", group="group")
    partition = Partition(TOPIC, 0)
    partition.start.place()
    partition.grant(Claim(epoch=store.claim(topic=TOPIC, topic_id="", partition=0, fallback=0).epoch), 0)
    event_loop = EventLoop("test")
    work = make_work(consumer, handler=load_handler(consumer.message_handler), store=store, observers=Observers())
    yield Housekeeping(work, event_loop=event_loop), partition, event_loop
    event_loop.close()
    del SyncToAsync.threadlocal.main_event_loop, SyncToAsync.threadlocal.main_event_loop_pid


def chunk(value):
    raw = RawMessage(topic=TOPIC, partition=0, offset=0, key=None, value=value.encode(), headers=None, timestamp=(1, 5))
    return Chunk(messages=[Message(raw, Decoding(key=bytes.decode, value=bytes.decode))])


@pytest.mark.django_db(transaction=True)
def test_writes_of_an_async_handler_commit_with_the_offset(lane):
    work, partition, event_loop = lane

    work.handle(partition, chunk("a"))

    assert sorted(Group.objects.values_list("name", flat=True)) == ["a-1", "a-2"]
    assert StoredOffset.objects.get().next_offset == 1
    assert async_handlers.loops == [event_loop._loop]


@pytest.mark.django_db(transaction=True)
def test_writes_of_an_async_handler_that_fails_are_rolled_back_with_it(lane):
    work, partition, _ = lane
    scripted.script.append(lambda message: 1 / 0)

    with pytest.raises(Exception, match="stays uncommitted"):
        work.handle(partition, chunk("a"))

    assert not Group.objects.exists()
    assert StoredOffset.objects.get().next_offset == 0

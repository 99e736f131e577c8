"""Async handlers whose offsets Kafka keeps: side by side on one event loop, each as if it were alone there."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from contextlib import closing, suppress
from contextvars import ContextVar
from decimal import Decimal, getcontext, localcontext

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import Group
from django.db import connection, connections, transaction

from kafka_integration.consuming.coroutines import side_thread
from kafka_integration.models import DeadLetter
from tests.owned import is_full
from tests.unit import coroutines
from tests.unit.consumers import committed, consume, running, write
from tests.unit.coroutines import HANDLER, by_partition, write_to
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("memory_transport")


variable: ContextVar[str] = ContextVar("variable", default="nothing")


def test_as_many_partitions_as_there_may_be_are_handled_side_by_side_and_each_in_order():
    at_once = most = 0

    async def overlap(message):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1

    coroutines.script.append(overlap)
    write_to(4, *"abc")

    consume(message_handler=HANDLER, concurrency=3)

    assert most == 3
    assert all(by_partition(coroutines.ended, number) == list("abc") for number in range(4))
    assert [committed(number) for number in range(4)] == [3, 3, 3, 3]


def test_of_a_partition_one_message_is_handled_at_a_time():
    under_way = []

    async def be_alone(message):
        assert not under_way
        under_way.append(message)
        await asyncio.sleep(0.001)
        under_way.clear()

    coroutines.script.append(be_alone)
    write(*(str(number) for number in range(50)))

    loop = consume(message_handler=HANDLER, concurrency=100, batch_size=5)

    assert coroutines.ended == [str(number) for number in range(50)]
    assert loop.fault is None


def test_a_handler_that_waits_holds_back_no_other_partition():
    gate = coroutines.Gate()

    async def hold_back_one(message):
        if message.partition == 0:
            await gate.wait()

    coroutines.script.append(hold_back_one)
    write_to(2, *"abc")

    with running(message_handler=HANDLER, concurrency=2):
        wait_for(lambda: committed(1) == 3)
        assert coroutines.ended == ["1a", "1b", "1c"]
        gate.is_open = True
        wait_for(lambda: committed(0) == 3)


def test_handlers_that_never_wait_leave_the_loop_to_those_that_did():
    """A message of a long backlog must not have to wait for all of it."""
    woken_after = []

    async def wait_or_spin(message):
        if message.partition == 0:
            await asyncio.sleep(0)
            woken_after.append(len(coroutines.ended))
        else:
            time.sleep(0.0005)

    coroutines.script.append(wait_or_spin)
    write("0a")
    write(*(f"1{number}" for number in range(1000)), partition=1)

    consume(message_handler=HANDLER, concurrency=2, batch_size=1000)

    assert woken_after[0] < 1000
    assert len(coroutines.ended) == 1001


def test_no_message_has_a_thread_of_its_own():
    most = 0

    async def count(message):
        nonlocal most
        await asyncio.sleep(0.01)
        most = max(most, len(threading.enumerate()))

    coroutines.script.append(count)
    before = len(threading.enumerate())
    write_to(4, *"ab")

    consume(message_handler=HANDLER, concurrency=1000)

    # The event loop's, the three beside it, and the one that asks for lags.
    assert most <= before + 5


# Each as if it were alone


def test_a_context_variable_does_not_reach_the_next_message():
    async def leak(message):
        coroutines.ended.append(variable.get())
        variable.set(message.value)
        await asyncio.sleep(0)
        assert variable.get() == message.value

    coroutines.script.append(leak)
    write(*"abcd")

    consume(message_handler=HANDLER)

    assert [value for value in coroutines.ended if value == "nothing"] == ["nothing"] * 4


def test_the_precision_of_decimals_does_not_reach_the_next_message():
    async def change_precision(message):
        coroutines.ended.append(getcontext().prec)
        getcontext().prec = 3
        with localcontext() as context:
            context.prec = 2
            await asyncio.sleep(0)
            assert Decimal(1) / Decimal(3) == Decimal("0.33")

    coroutines.script.append(change_precision)
    write(*"abc")

    consume(message_handler=HANDLER)

    assert 3 not in coroutines.ended


@pytest.mark.parametrize("waits", [False, True])
def test_a_cancellation_that_a_handler_asks_of_itself_does_not_reach_the_next_message(waits):
    async def cancel_at_a(message):
        if message.value == "a":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            if waits:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)
        else:
            await asyncio.sleep(0.001)

    coroutines.script.append(cancel_at_a)
    write(*"abc")

    loop = consume(message_handler=HANDLER)

    assert loop.fault is None
    assert coroutines.ended == ["a", "b", "c"]


@pytest.mark.django_db(transaction=True)
def test_a_handler_that_cancels_itself_and_fails_has_failed_and_that_is_all():
    async def cancel_and_fail(message):
        if message.value == "b":
            asyncio.current_task().cancel()
            raise ValueError("no")
        await asyncio.sleep(0)

    coroutines.script.append(cancel_and_fail)
    write(*"abc")

    loop = consume(message_handler=HANDLER, on_failure="dead_letter")

    assert loop.fault is None
    assert DeadLetter.objects.get().offset == 1
    assert coroutines.ended == ["a", "c"]


def test_what_asyncio_offers_works_in_a_handler():
    async def use_it(message):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.sleep(10)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0.001, number)) for number in range(3)]
        with pytest.raises(ExceptionGroup):
            await side_by_side(asyncio.sleep(10), refuse())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.001)
        assert asyncio.current_task() is not None
        coroutines.ended.append(sum(task.result() for task in tasks))

    async def side_by_side(*awaited):
        async with asyncio.TaskGroup() as group:
            for each in awaited:
                group.create_task(each)

    async def refuse():
        raise ValueError

    coroutines.script.append(use_it)
    write(*"ab")

    loop = consume(message_handler=HANDLER)

    assert loop.fault is None
    assert coroutines.ended == [3, "a", 3, "b"]


# The ORM


@pytest.mark.django_db(transaction=True)
def test_queries_of_handlers_side_by_side_are_kept():
    async def save(message):
        await Group.objects.acreate(name=message.value)
        assert await Group.objects.filter(name=message.value).aexists()

    coroutines.script.append(save)
    write_to(4, *"ab")

    loop = consume(message_handler=HANDLER, concurrency=4)

    assert loop.fault is None
    assert Group.objects.count() == 8


@pytest.mark.django_db(transaction=True)
def test_synchronous_code_may_call_async_code_in_its_turn():
    @sync_to_async
    def save_in_a_transaction(name):
        with transaction.atomic():
            Group.objects.create(name=name)
            async_to_sync(save_another)(f"{name}-2")

    async def save_another(name):
        await Group.objects.acreate(name=name)

    async def save(message):
        await save_in_a_transaction(message.value)

    coroutines.script.append(save)
    write_to(2, "a")

    loop = consume(message_handler=HANDLER, concurrency=2)

    assert loop.fault is None
    assert Group.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_a_transaction_left_open_in_the_shared_thread_is_the_failure_of_the_one_that_did():
    """What others write would be part of it, and lost with it."""

    def begin(name):
        transaction.set_autocommit(False)
        Group.objects.create(name=name)

    async def save(message):
        if message.value == "0a":
            await sync_to_async(begin)(message.value)
        await Group.objects.acreate(name=message.value)

    coroutines.script.append(save)
    write_to(3, "a")

    consume(message_handler=HANDLER, concurrency=3, on_failure="dead_letter")

    (letter,) = DeadLetter.objects.all()
    assert (letter.partition, letter.reason.startswith(f"what {HANDLER} awaited returned with a transaction open")) == (
        0,
        True,
    )
    assert sorted(Group.objects.values_list("name", flat=True)) == ["1a", "2a"]


@pytest.mark.usefixtures("django_db_setup")
def test_rows_that_a_handler_reads_by_and_by_come_by_one_connection(django_db_blocker, monkeypatch, tmp_path):
    """Without ``CONN_MAX_AGE`` each connection is too old at once."""
    default, path = connections.databases["default"], tmp_path / "rows"
    files = {**default, "ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": {}, "CONN_MAX_AGE": 0}
    monkeypatch.setitem(connections.databases, "files", files)
    numbers = []

    async def read_slowly(message):
        async for number in Group.objects.using("files").values_list("pk", flat=True).aiterator(chunk_size=1):
            numbers.append(number)
            await asyncio.sleep(1.2 * (side_thread.IDLE_SECONDS if number == 1 else side_thread.FRESH_SECONDS))

    with closing(sqlite3.connect(path)) as rows, rows:
        rows.execute("CREATE TABLE auth_group (id integer PRIMARY KEY, name varchar(150))")
        rows.execute("INSERT INTO auth_group VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    coroutines.script.append(read_slowly)
    write("a")

    with django_db_blocker.unblock():
        loop = consume(message_handler=HANDLER)

    assert loop.fault is None
    assert numbers == [1, 2, 3]


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_died_is_replaced_before_the_next_message():
    def lose_it():
        connection.connection.close()

    async def save(message):
        if message.value == "b":
            await sync_to_async(lose_it)()
            await asyncio.sleep(1.1)
        await Group.objects.acreate(name=message.value)

    if connection.vendor == "sqlite":
        pytest.skip("SQLite's have nobody at the other end")
    coroutines.script.append(save)
    write(*"abc")

    loop = consume(message_handler=HANDLER)

    assert loop.fault is None
    assert Group.objects.count() == 3


# By key


@pytest.mark.parametrize("ordering", ["key", "none"])
def test_a_thousand_messages_of_a_partition_are_handled_side_by_side_without_a_thread_each(ordering):
    gate, most = coroutines.Gate(), len(threading.enumerate()) + 10

    async def wait(message):
        await gate.wait()

    coroutines.script.append(wait)
    for number in range(1200):
        write(str(number), key=f"k{number}")

    with running(message_handler=HANDLER, ordering=ordering, concurrency=1000):
        wait_for(lambda: len(coroutines.seen) == 1000)
        assert len(threading.enumerate()) <= most
        assert not coroutines.ended
        gate.is_open = True
        wait_for(lambda: committed() == 1200)

    assert len(coroutines.ended) == 1200


def test_of_a_partition_no_more_than_max_ahead_messages_are_taken_beyond_one_that_waits():
    gate = coroutines.Gate()

    async def wait(message):
        if message.value == "slow":
            await gate.wait()

    coroutines.script.append(wait)
    write("slow", key="a")
    write(*map(str, range(2000)), key="b")

    with running(message_handler=HANDLER, ordering="key", concurrency=50, max_ahead=100) as loop:
        wait_for(lambda: is_full(loop, 100))
        gate.is_open = True
        wait_for(lambda: committed() == 2001)


def test_the_messages_of_a_key_come_one_after_the_other_and_in_order():
    under_way = set()

    async def be_alone(message):
        assert message.key not in under_way
        under_way.add(message.key)
        await asyncio.sleep(0.001 if int(message.value) % 3 else 0)
        under_way.remove(message.key)

    coroutines.script.append(be_alone)
    for number in range(300):
        write(str(number), key=f"k{number % 7}")

    loop = consume(message_handler=HANDLER, ordering="key", concurrency=50)

    assert loop.fault is None
    assert committed() == 300
    for key in range(7):
        of_key = [int(value) for value in coroutines.ended if int(value) % 7 == key]
        assert of_key == sorted(of_key)

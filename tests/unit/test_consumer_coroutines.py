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
from django.db import InterfaceError, connection, connections, transaction

from kafka_integration import NO_COMMIT, BatchError, CommitThrough, Retry, Skip
from kafka_integration.consuming.coroutines import beside, pool, side_thread
from kafka_integration.consuming.ordering.shards import MOST_AT_ONCE
from kafka_integration.errors import ProduceTimeoutError
from kafka_integration.models import DeadLetter
from tests.owned import owned
from tests.unit import coroutines
from tests.unit.consumers import TOPIC, committed, consume, running, write
from tests.unit.replays import requested
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("memory_transport")

HANDLER = "tests.unit.coroutines.handle"
BATCH = "tests.unit.coroutines.Batch"
SHAPES = pytest.mark.parametrize("handler", [HANDLER, BATCH])

variable: ContextVar[str] = ContextVar("variable", default="nothing")


@pytest.fixture(autouse=True)
def nothing_seen():
    coroutines.reset()


def write_to(partitions: int, *values: str) -> None:
    for partition in range(partitions):
        write(*(f"{partition}{value}" for value in values), partition=partition)


def by_partition(values, number: int) -> list[str]:
    return [value[1:] for value in values if value[0] == str(number)]


# Side by side


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


# Failures


@SHAPES
@pytest.mark.django_db(transaction=True)
def test_what_fails_is_tried_again_and_then_a_dead_letter_and_the_rest_goes_on(handler):
    async def fail_at_b(argument):
        for message in argument if isinstance(argument, list) else [argument]:
            if message.value == "0b":
                raise ValueError("no")

    coroutines.script.append(fail_at_b)
    write_to(2, *"abc")

    loop = consume(
        message_handler=handler, concurrency=2, on_failure="dead_letter", retry={"attempts": 3, "backoff_seconds": 0.01}
    )

    (letter,) = DeadLetter.objects.all()
    assert (letter.partition, letter.offset, letter.attempts) == (0, 1, 3)
    assert [committed(0), committed(1)] == [3, 3]
    tally = loop.counts.read()
    assert (tally.handled, tally.failed, tally.parked) == (5, 2, 1)


def test_a_delay_that_a_handler_asks_for_holds_back_its_partition_alone():
    began = {}

    async def retry_at_first(message):
        began.setdefault((message.partition, message.attempt), time.monotonic())
        if message.partition == 0 and message.attempt == 1:
            raise Retry(0.3)

    coroutines.script.append(retry_at_first)
    write_to(2, "a")

    consume(message_handler=HANDLER, concurrency=1, retry={"attempts": 2})

    assert began[0, 2] - began[0, 1] >= 0.3
    assert began[1, 1] < began[0, 2]


def test_skip_stop_and_more_than_an_exception_end_as_they_do_in_a_thread():
    async def decide(message):
        if message.value == "a":
            raise Skip("no")
        if message.value == "c":
            raise ValueError("stop here")

    coroutines.script.append(decide)
    write(*"abcd")

    loop = consume(message_handler=HANDLER)

    assert "stops at" in str(loop.fault)
    assert loop.counts.read().skipped == 1
    assert committed() == 2


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_what_ends_the_process_ends_the_consumer_with_what_is_finished_committed(error):
    async def leave(message):
        await asyncio.sleep(0)
        if message.value == "b":
            raise error

    coroutines.script.append(leave)
    write(*"abc")

    loop = consume(message_handler=HANDLER)

    assert isinstance(loop.fault, error)
    assert committed() == 1


@pytest.mark.django_db(transaction=True)
def test_a_handler_that_was_cancelled_by_its_own_code_has_failed():
    async def cancel(message):
        raise asyncio.CancelledError

    coroutines.script.append(cancel)
    write("a")

    consume(message_handler=HANDLER, on_failure="dead_letter")

    assert DeadLetter.objects.get().reason == "the handler was cancelled"


def test_stop_iteration_of_a_handler_is_its_failure():
    async def stop_iteration(message):
        next(iter(()))

    coroutines.script.append(stop_iteration)
    write("a")

    loop = consume(message_handler=HANDLER)

    assert isinstance(loop.fault.__cause__, RuntimeError)


@pytest.mark.django_db(transaction=True)
def test_of_an_async_batch_those_that_it_names_are_left():
    async def name_b(messages):
        failed = {message: ValueError() for message in messages if message.value == "b"}
        if failed:
            raise BatchError(failed)

    coroutines.script.append(name_b)
    write(*"abc")

    loop = consume(message_handler=BATCH, on_failure="dead_letter")

    assert DeadLetter.objects.get().offset == 1
    assert loop.counts.read().handled == 2
    assert committed() == 3


# When to commit


def test_an_async_handler_may_hold_back_the_commit():
    async def hold_back(message):
        if message.value == "b":
            return CommitThrough(message)
        return NO_COMMIT

    coroutines.script.append(hold_back)
    write(*"abcd")

    loop = consume(message_handler=HANDLER, max_messages=4)

    assert loop.fault is None
    assert coroutines.ended == list("abcd")
    assert committed() == 2


# Giving partitions up


def test_a_handler_past_its_deadline_is_cancelled_and_its_message_delivered_again():
    cancelled = []

    async def wait_at_first(message):
        if not cancelled and message.partition == 0:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                cancelled.append(message.value)
                raise

    coroutines.script.append(wait_at_first)
    write_to(2, *"ab")
    options = {"message_handler": HANDLER, "concurrency": 4, "rebalance_drain_seconds": 0.05}

    with running(**options) as loop:
        wait_for(lambda: "0a" in coroutines.seen and committed(1) == 2)
        with running(**options):
            wait_for(lambda: committed(0) == 2)

    assert cancelled == ["0a"]
    assert loop.fault is None
    assert coroutines.seen.count("0a") == 2
    assert coroutines.seen.count("1a") == 1


def test_a_handler_that_swallows_its_cancellation_is_left_alone():
    gate, swallowed = coroutines.Gate(), []

    async def go_on_regardless(message):
        while coroutines.seen.count("0a") == 1 and message.value == "0a" and not gate.is_open:
            try:
                await gate.wait()
            except asyncio.CancelledError:
                swallowed.append(message.value)

    coroutines.script.append(go_on_regardless)
    write_to(2, *"ab")
    options = {"message_handler": HANDLER, "concurrency": 1, "rebalance_drain_seconds": 0.05}

    with running(**options) as loop:
        wait_for(lambda: "0a" in coroutines.seen)
        with running(**options):
            wait_for(lambda: committed(0) == 2 and committed(1) == 2)
            gate.is_open = True

    assert loop.fault is None
    assert swallowed == ["0a"]


def test_a_handler_that_blocks_the_loop_is_left_behind_with_it_and_the_others_go_on(caplog, monkeypatch):
    monkeypatch.setattr(beside, "BLOCKED_SECONDS", 0.1)
    monkeypatch.setattr(pool, "ANSWER_SECONDS", 0.1)
    released = threading.Event()

    async def block(message):
        if message.value == "0a" and not released.is_set():
            released.wait(20)

    coroutines.script.append(block)
    write_to(3, "a")
    options = {"message_handler": HANDLER, "concurrency": 4, "rebalance_drain_seconds": 0.05}

    try:
        with running(**options) as loop:
            wait_for(lambda: "0a" in coroutines.seen)
            wait_for(lambda: "has kept its event loop busy" in caplog.text)
            loop._session.assignment.lose([(TOPIC, 0)])
            write_to(3, "b")
            wait_for(lambda: committed(1) == 2 and committed(2) == 2)
    finally:
        released.set()

    assert loop.fault is None
    assert caplog.text.count("has kept its event loop busy") == 1
    assert HANDLER in caplog.text


def test_what_a_handler_leaves_of_its_key_on_an_event_loop_that_was_left_behind_goes_on_elsewhere(monkeypatch):
    monkeypatch.setattr(pool, "ANSWER_SECONDS", 0.1)
    gate, released = coroutines.Gate(), threading.Event()

    async def wait_or_block(message):
        if message.value == "first":
            await gate.wait()
        elif message.value == "block" and not released.is_set():
            released.wait(20)

    coroutines.script.append(wait_or_block)
    rest = [str(number) for number in range(2 * MOST_AT_ONCE)]
    write("first", *rest, key="k", partition=1)

    with running(message_handler=HANDLER, ordering="key", concurrency=4, rebalance_drain_seconds=0.05) as loop:
        try:
            wait_for(lambda: "first" in coroutines.seen and owned(loop)[1].line.held == 1 + len(rest))
            write("block", key="k", partition=0)
            wait_for(lambda: "block" in coroutines.seen)
            loop._session.assignment.lose([(TOPIC, 0)])
            # Nobody looks any more, as nothing is ready.
            wait_for(lambda: not loop._lanes._workers._is_hiring and not loop._lanes._workers.count)
        finally:
            gate.is_open = True
            released.set()
        wait_for(lambda: committed(1) == 1 + len(rest))

    assert coroutines.seen == ["first", "block", *rest]


def test_a_synchronous_call_that_never_returns_is_left_behind_and_those_of_others_go_on(monkeypatch):
    monkeypatch.setattr(pool, "ANSWER_SECONDS", 0.1)
    released = threading.Event()

    async def call(message):
        if message.value == "0a":
            await sync_to_async(released.wait)(20)
        else:
            await sync_to_async(len)([])

    coroutines.script.append(call)
    write_to(2, "a")

    try:
        with running(message_handler=HANDLER, concurrency=4) as loop:
            wait_for(lambda: "0a" in coroutines.seen and "1a" in coroutines.seen)
            loop._session.assignment.lose([(TOPIC, 0)])
            write("1b", partition=1)
            wait_for(lambda: "1b" in coroutines.ended)
            wait_for(lambda: committed(1) == 2)
    finally:
        released.set()

    assert loop.fault is None


def test_who_fails_after_a_synchronous_call_was_left_behind_is_tried_again(monkeypatch):
    monkeypatch.setattr(pool, "ANSWER_SECONDS", 0.1)
    released, gate = threading.Event(), coroutines.Gate()

    async def call(message):
        if message.value == "0a":
            await sync_to_async(released.wait)(20)
        elif coroutines.seen.count("1a") == 1:
            await gate.wait()
            raise ValueError

    coroutines.script.append(call)
    write_to(2, "a")

    try:
        with running(message_handler=HANDLER, concurrency=4, retry={"attempts": 2, "backoff_seconds": 0.01}) as loop:
            wait_for(lambda: "0a" in coroutines.seen and "1a" in coroutines.seen)
            loop._session.assignment.lose([(TOPIC, 0)])
            gate.is_open = True
            wait_for(lambda: committed(1) == 1)
    finally:
        released.set()

    assert loop.fault is None
    assert coroutines.ended == ["1a"]


def test_a_connection_that_can_not_be_closed_ends_no_thread(monkeypatch):
    closings = []

    def fail():
        closings.append(None)
        raise InterfaceError("the driver is out of its mind")

    monkeypatch.setattr(side_thread, "IDLE_SECONDS", 0.01)
    monkeypatch.setattr(side_thread, "close_old_connections", fail)
    thread = side_thread.SideThread("beside")
    try:
        wait_for(lambda: closings)
        assert thread.submit(len, "ab").result(5) == 2
    finally:
        thread.close()


def test_what_a_handler_has_in_hand_may_finish_when_the_consumer_stops():
    gate = coroutines.Gate()

    async def wait(message):
        await gate.wait()

    coroutines.script.append(wait)
    write_to(3, *"ab")

    with running(message_handler=HANDLER, concurrency=3) as loop:
        wait_for(lambda: len(coroutines.seen) == 3)
        loop.stop()
        gate.is_open = True

    assert sorted(coroutines.ended) == ["0a", "1a", "2a"]
    assert [committed(number) for number in range(3)] == [1, 1, 1]


# Besides messages


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ordering", ["partition", "key", "none"])
def test_a_dead_letter_is_replayed_by_an_async_handler_beside_messages(ordering):
    write("a")
    requested(value=b"letter")

    with running(message_handler=HANDLER, concurrency=2, ordering=ordering) as loop:
        wait_for(lambda: DeadLetter.objects.get().state == DeadLetter.State.HANDLED)
        wait_for(lambda: committed() == 1)

    assert loop.fault is None
    assert sorted(coroutines.ended) == ["a", "letter"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ordering", ["partition", "key"])
def test_a_replay_waits_for_what_is_in_hand_and_comes_before_what_waits(ordering):
    gate = coroutines.Gate()

    async def hold_the_first(message):
        if message.value == "1":
            await gate.wait()
        await asyncio.sleep(0.01)

    coroutines.script.append(hold_the_first)
    write("1", key="k")

    with running(message_handler=HANDLER, concurrency=5, ordering=ordering, batch_size=1) as loop:
        wait_for(lambda: coroutines.seen == ["1"])
        write("2", "3", key="k")
        requested(value=b"letter", key=b"k")
        wait_for(lambda: loop._lanes._beside.tasks._waiting)
        gate.is_open = True
        wait_for(lambda: committed() == 3)

    assert coroutines.ended.index("letter") < coroutines.ended.index("3")
    assert coroutines.seen.count("letter") == 1


@pytest.mark.django_db(transaction=True)
def test_a_replay_that_never_returns_holds_back_no_failure_and_is_left_behind_when_its_partition_goes(monkeypatch):
    monkeypatch.setattr(pool, "ANSWER_SECONDS", 0.1)
    gate = coroutines.Gate()

    async def hold_the_letter(message):
        if message.value == "letter":
            await gate.wait()
        elif message.value == "fails":
            raise Skip("not today")

    coroutines.script.append(hold_the_letter)
    write("first", partition=1)
    requested(value=b"letter", partition=0)

    with running(message_handler=HANDLER, concurrency=5) as loop:
        try:
            wait_for(lambda: "letter" in coroutines.seen)
            write("fails", partition=1)
            wait_for(lambda: committed(1) == 2)
            loop._session.assignment.lose([(TOPIC, 0)])
            requested(value=b"another", partition=1)
            wait_for(lambda: "another" in coroutines.ended)
        finally:
            gate.is_open = True

    assert loop.fault is None


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


@pytest.mark.django_db(transaction=True)
def test_a_key_that_fails_holds_back_itself_alone():
    async def fail_at_a(message):
        if message.key == "a":
            raise ValueError("no")

    coroutines.script.append(fail_at_a)
    write("1", key="a")
    for number in range(20):
        write(str(number), key="b")

    consume(
        message_handler=HANDLER,
        ordering="key",
        concurrency=1,
        on_failure="dead_letter",
        retry={"attempts": 2, "backoff_seconds": 0.3},
    )

    assert DeadLetter.objects.get().attempts == 2
    assert coroutines.ended == [str(number) for number in range(20)]
    assert committed() == 21


def test_an_outage_that_one_message_meets_holds_back_all_until_it_is_over():
    is_over = threading.Event()

    async def meet_an_outage(message):
        if not is_over.is_set():
            raise ProduceTimeoutError("the broker is away")

    coroutines.script.append(meet_an_outage)
    for number in range(20):
        write(str(number), key=f"k{number}")

    with running(message_handler=HANDLER, ordering="key", concurrency=1) as loop:
        wait_for(lambda: len(coroutines.seen) >= 3)
        assert set(coroutines.seen) == {"0"}
        is_over.set()
        wait_for(lambda: committed() == 20)

    assert loop.counts.read().failed == 0


def test_an_outage_ends_for_the_others_when_the_partition_that_was_to_try_goes():
    is_over = threading.Event()

    async def meet_an_outage(message):
        if message.partition == 0 or not is_over.is_set():
            raise ProduceTimeoutError("the broker is away")

    coroutines.script.append(meet_an_outage)
    retry = {"backoff_seconds": 30, "max_backoff_seconds": 60}
    write("0", key="k")

    with running(message_handler=HANDLER, ordering="key", concurrency=5, retry=retry) as loop:
        wait_for(lambda: loop._lanes._turns.is_probing)
        write("1", partition=1)
        wait_for(lambda: owned(loop)[1].line.held)
        is_over.set()
        loop._session.assignment.lose([(TOPIC, 0)])
        wait_for(lambda: committed(1) == 1)

    assert coroutines.seen.count("0") == 1


def test_a_stop_lets_what_is_in_hand_finish_and_notes_what_is_finished_beyond():
    gate = coroutines.Gate()

    async def hold_the_first(message):
        if message.value == "0":
            await gate.wait()

    coroutines.script.append(hold_the_first)
    for number in range(10):
        write(str(number), key=f"k{number}")

    with running(message_handler=HANDLER, ordering="key", concurrency=5) as loop:
        wait_for(lambda: len(coroutines.ended) == 9)
        loop.stop()
        gate.is_open = True

    assert committed() == 10

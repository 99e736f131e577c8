"""What becomes of a message that an async handler fails, where Kafka keeps the offsets; and of its replays."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from kafka_integration import NO_COMMIT, BatchError, CommitThrough, Retry, Skip
from kafka_integration.consuming.coroutines import pool
from kafka_integration.errors import ProduceTimeoutError
from kafka_integration.models import DeadLetter
from tests.owned import owned
from tests.unit import coroutines
from tests.unit.consumers import TOPIC, committed, consume, running, write
from tests.unit.coroutines import BATCH, HANDLER, write_to
from tests.unit.replays import requested
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("memory_transport")

SHAPES = pytest.mark.parametrize("handler", [HANDLER, BATCH])


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
def test_what_is_no_exception_and_ends_no_process_is_a_failure_like_others():
    async def panic(message):
        await asyncio.sleep(0)
        if message.value == "b":
            raise BaseException("text")

    coroutines.script.append(panic)
    write(*"abc")

    loop = consume(message_handler=HANDLER, on_failure="dead_letter")

    assert loop.fault is None
    assert DeadLetter.objects.get().offset == 1
    assert committed() == 3


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


# Replays


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

"""What has no more time: async handlers, and what they called, at the drain deadline and when a consumer stops."""

from __future__ import annotations

import asyncio
import threading

import pytest
from asgiref.sync import sync_to_async
from django.db import InterfaceError

from kafka_integration.consuming.coroutines import beside, pool, side_thread
from kafka_integration.consuming.ordering.shards import MOST_AT_ONCE
from tests.owned import owned
from tests.unit import coroutines
from tests.unit.consumers import TOPIC, committed, running, write
from tests.unit.coroutines import HANDLER, write_to
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("memory_transport")


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

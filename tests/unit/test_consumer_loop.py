"""The loop when something goes wrong around it: no broker, a fetch that fails, a stop in the middle of a backlog."""

from __future__ import annotations

import threading

import pytest
from confluent_kafka import KafkaError

from kafka_integration.client.consumer import ConsumerClient
from kafka_integration.client.transports.memory import MemoryConsumer, memory_broker
from kafka_integration.consuming.catching_up.until_caught_up import CatchingUp
from kafka_integration.consuming.group.assignment import Assignment
from kafka_integration.consuming.loop import ConsumerLoop, Phase
from kafka_integration.errors import BrokerUnavailableError
from tests.owned import owned
from tests.unit import scripted
from tests.unit.consumers import calls_of, committed, consume, running, write
from tests.unit.scripted_transport import broken, script_consumers
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("memory_transport")


def values():
    return [message.value for message in scripted.seen]


@pytest.fixture
def clients(monkeypatch):
    """Every client that is opened, and whether it was closed."""
    opened, closed = [], []
    open_client, close_client = ConsumerClient.__init__, ConsumerClient.close

    def note_open(client, *arguments, **options):
        open_client(client, *arguments, **options)
        opened.append(client)

    def note_close(client, timeout):
        closed.append(client)
        return close_client(client, timeout)

    monkeypatch.setattr(ConsumerClient, "__init__", note_open)
    monkeypatch.setattr(ConsumerClient, "close", note_close)
    return opened, closed


def test_a_client_that_could_not_join_is_closed_before_the_next_try(clients, monkeypatch):
    opened, closed = clients
    subscribe = ConsumerClient.subscribe

    def fail_twice(client):
        if len(opened) <= 2:
            raise BrokerUnavailableError("it is not there yet", retriable=True)
        assert closed == opened[:-1]
        subscribe(client)

    monkeypatch.setattr(ConsumerClient, "subscribe", fail_twice)
    write("a")

    loop = consume()

    assert loop.fault is None
    assert values() == ["a"]
    assert closed == opened
    assert len(opened) == 3


def test_a_broker_that_is_not_there_is_waited_for_with_one_line(monkeypatch, caplog):
    tries = []

    def refuse(client, *arguments, **options):
        tries.append(client)
        raise BrokerUnavailableError("there is no broker", retriable=True)

    monkeypatch.setattr(ConsumerClient, "__init__", refuse)

    with running():
        wait_for(lambda: len(tries) > 2)

    assert [record.getMessage() for record in caplog.records if "no broker" in record.getMessage()] == [
        "consumer c waits: there is no broker"
    ]


@pytest.mark.parametrize(("attempts", "seen"), [(1, "abcdef"), (2, "abbcdef")], ids=["is handled", "fails once"])
def test_a_fetch_that_fails_costs_no_message_and_repeats_none_that_is_in_a_handlers_hands(monkeypatch, attempts, seen):
    write(*"abcd")
    in_handler, goes_on, failed = threading.Event(), threading.Event(), threading.Event()

    def lose_what_was_fetched(consumer, count, timeout):
        raws = MemoryConsumer.consume(consumer, count, timeout)
        if raws and in_handler.is_set() and not failed.is_set():
            failed.set()
            raise broken()
        return raws

    def hold(message):
        if message.value == "b":
            if not in_handler.is_set():
                in_handler.set()
                write(*"ef")
            assert goes_on.wait(5)
            if len(scripted.seen) < attempts + 1:
                raise ValueError

    script_consumers(monkeypatch, consume=lose_what_was_fetched)
    scripted.script.append(hold)

    with running(batch_size=3, retry={"attempts": 3, "backoff_seconds": 0.01}):
        assert failed.wait(5)
        goes_on.set()
        wait_for(lambda: committed() == 6, message=lambda: f"committed {committed()}, handled {values()}")

    assert values() == list(seen)


def test_a_member_that_waits_for_its_group_has_not_caught_up(memory_transport, monkeypatch):
    looks = calls_of(monkeypatch, CatchingUp, "_measure")
    write(*"abc")
    other = MemoryConsumer(memory_transport, {"group.id": "group"})

    def let_another_join(message):
        if message.value == "a":
            other.subscribe(["events"])

    scripted.script.append(let_another_join)
    with running(until_caught_up=True, batch_size=1) as loop:
        # It has given its partitions back, and the other member doesn't answer.
        wait_for(lambda: scripted.seen and len(owned(loop)) == 0)
        looked = len(looks)
        loop._catching_up.look()
        wait_for(lambda: len(looks) > looked)
        turns = calls_of(monkeypatch, ConsumerLoop, "turn")
        wait_for(lambda: len(turns) > 1)
        assert loop.phase is Phase.RUNNING
        other.close()
        wait_for(lambda: loop.phase is Phase.STOPPED)

    assert values() == list("abc")


def test_a_fetch_that_fails_while_draining_does_not_keep_it_from_leaving(clients, monkeypatch):
    opened, closed = clients
    write("a")
    loops = []

    def fail(consumer, count, timeout):
        if loops and loops[0].phase.value == "draining":
            raise broken()
        return MemoryConsumer.consume(consumer, count, timeout)

    script_consumers(monkeypatch, consume=fail)
    with running() as loop:
        loops.append(loop)
        wait_for(lambda: values() == ["a"])

    assert loop.fault is None
    assert closed == opened


def test_a_commit_refused_between_two_epochs_is_tried_again_before_a_partition_goes(memory_transport, monkeypatch):
    write(*"abc")
    unanswered, refused = [], []

    def refuse_at_first(consumer, *, offsets, asynchronous):
        if asynchronous:
            unanswered.append(offsets)
        elif len(refused) < 2:
            refused.append(offsets)
            raise broken(KafkaError.STALE_MEMBER_EPOCH)
        else:
            MemoryConsumer.commit(consumer, offsets=offsets, asynchronous=False)

    script_consumers(monkeypatch, commit=refuse_at_first)
    other = MemoryConsumer(memory_transport, {"group.id": "group"})
    with running():
        wait_for(lambda: unanswered and len(scripted.seen) == 3)
        other.subscribe(["events"])
        wait_for(lambda: committed() == 3)
        other.close()


def test_after_a_stop_no_further_message_is_begun(monkeypatch):
    write(*(str(number) for number in range(100)))
    scripted.script.append(lambda message: loop.stop() if message.value == "7" else None)

    with running() as loop:
        wait_for(lambda: len(scripted.seen) >= 8)

    assert values() == [str(number) for number in range(8)]
    assert committed() == 8


def test_what_is_in_a_handlers_hands_is_finished_and_committed_before_its_partition_goes(memory_transport):
    write(*"abc")
    other = MemoryConsumer(memory_transport, {"group.id": "group"})

    def let_another_join(message):
        if message.value == "a":
            other.subscribe(["events"])
            wait_for(lambda: len(owned(loop)) == 0)

    scripted.script.append(let_another_join)
    with running(batch_size=1) as loop:
        wait_for(lambda: committed() == 1)
        assert len(owned(loop)) == 0
        other.close()
        wait_for(lambda: committed() == 3)

    assert values() == list("abc")


def test_of_what_was_lost_nothing_is_committed(monkeypatch):
    write(*"ab")
    fetch = ConsumerClient.fetch
    loops = []

    def lose(client, limit, timeout):
        if loops and values() == ["a", "b"]:
            client._listener.lost([partition.key for partition in owned(loops[0])])
        return fetch(client, limit, timeout)

    monkeypatch.setattr(ConsumerClient, "fetch", lose)
    with running(offset_commit_interval_seconds=60) as loop:
        loops.append(loop)
        wait_for(lambda: values() == ["a", "b"] and len(owned(loop)) == 0)

    assert committed() is None


def test_of_what_was_lost_no_further_message_is_begun(monkeypatch):
    write(*"abc")
    fetch = ConsumerClient.fetch
    lost = threading.Event()

    def lose(client, limit, timeout):
        if values() == ["a"] and not lost.is_set():
            client._listener.lost([("events", 0)])
            lost.set()
        return fetch(client, limit, timeout)

    monkeypatch.setattr(ConsumerClient, "fetch", lose)
    scripted.script.append(lambda message: lost.wait(5))
    with running():
        wait_for(lost.is_set)

    assert values() == ["a"]


def test_after_a_stop_nothing_of_another_partition_is_begun_either():
    write("0", partition=0)
    write("1", partition=1)

    def stop_once_both_are_held(message):
        wait_for(lambda: sum(partition.line.held for partition in owned(loop)) == 2)
        loop.stop()

    scripted.script.append(stop_once_both_are_held)
    with running() as loop:
        wait_for(lambda: loop.phase is Phase.STOPPED)

    assert len(scripted.seen) == 1


def test_a_stop_waits_longer_for_a_handler_than_a_rebalance_would():
    write("a")
    began = threading.Event()

    def outlive_the_drain(message):
        began.set()
        wait_for(lambda: loop.phase is Phase.DRAINING)
        # A time, as that is what the deadline of a rebalance would be.
        threading.Event().wait(0.2)

    scripted.script.append(outlive_the_drain)
    with running(rebalance_drain_seconds=0.1) as loop:
        assert began.wait(5)

    assert committed() == 1


def test_where_offsets_go_back_nothing_is_handled_again_and_the_partition_begins_anew(monkeypatch):
    memory_broker().create_topic("events", 1)
    write(*"abc")
    fetched, again, placed = [], [], []

    def fetch_again(consumer, count, timeout):
        if committed() == 3 and not again:
            again.extend(fetched)
            return again
        raws = MemoryConsumer.consume(consumer, count, timeout)
        fetched.extend(raw for raw in raws if raw.error() is None)
        return raws

    def note_place(consumer, partitions):
        placed.append({(partition.topic, partition.partition): partition.offset for partition in partitions})
        MemoryConsumer.assign(consumer, partitions)

    script_consumers(monkeypatch, consume=fetch_again, assign=note_place)
    with running():
        wait_for(lambda: {("events", 0): 3} in placed, message=lambda: f"begun at {placed}")
        write("d")
        wait_for(lambda: committed() == 4)

    assert values() == list("abcd")


def test_a_failed_fetch_does_not_forget_where_a_partition_was_about_to_begin(monkeypatch):
    """Out of range, it goes on at its first message; but by then the old position is in the partition again."""
    write(*"abc")
    memory_broker().commit("group", "events", 0, 5)
    begin = Assignment._begin
    waited, failed = [], []

    def wait_for_others(assignment, starting):
        if [partition.start.offset for partition in starting] == [0] and not waited:
            waited.append(True)
            write(*"defgh")
        else:
            begin(assignment, starting)

    def fail_then(consumer, count, timeout):
        if waited and not failed:
            failed.append(True)
            raise broken()
        return MemoryConsumer.consume(consumer, count, timeout)

    monkeypatch.setattr(Assignment, "_begin", wait_for_others)
    script_consumers(monkeypatch, consume=fail_then)
    with running():
        wait_for(lambda: committed() == 8)

    assert failed
    assert values() == list("abcdefgh")


def test_what_comes_before_a_partition_has_begun_is_dropped_and_not_counted(monkeypatch):
    write(*"abc")
    consume(consumer_group="another")
    later = scripted.seen.pop().raw
    scripted.reset()
    fetch = ConsumerClient.fetch
    early = []

    def fetch_early(client, limit, timeout):
        raws = fetch(client, limit, timeout)
        if client._listener.assignment.is_starting and not early:
            early.append(later)
            return [later]
        return raws

    monkeypatch.setattr(ConsumerClient, "fetch", fetch_early)

    consume(max_messages=2)

    assert early
    assert values() == ["a", "b"]
    assert committed() == 2


def test_the_answer_to_the_last_commit_is_waited_for_while_polling_goes_on(monkeypatch, caplog):
    write("a")
    loops, unanswered = [], []

    def answer_at_a_poll(consumer, count, timeout):
        if unanswered and loops[0].phase is Phase.DRAINING:
            MemoryConsumer.commit(consumer, offsets=unanswered.pop())
        return MemoryConsumer.consume(consumer, count, timeout)

    def send(consumer, *, offsets, asynchronous):
        unanswered.append(offsets)

    script_consumers(monkeypatch, commit=send, consume=answer_at_a_poll)
    with running(offset_commit_interval_seconds=60) as loop:
        loops.append(loop)
        wait_for(lambda: values() == ["a"])

    assert committed() == 1
    assert "not confirmed" not in caplog.text


def test_a_last_commit_that_nobody_answers_keeps_it_from_leaving_only_for_a_while(monkeypatch, caplog):
    write("a")
    waits = []
    monkeypatch.setattr("kafka_integration.consuming.group.session.LAST_COMMIT_SECONDS", 0.1)

    def send(consumer, *, offsets, asynchronous):
        waits.append(not asynchronous)

    script_consumers(monkeypatch, commit=send)
    with running(offset_commit_interval_seconds=60):
        wait_for(lambda: values() == ["a"])

    assert waits == [False]
    assert "the last commit was not confirmed" in caplog.text

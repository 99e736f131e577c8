"""`--until-caught-up`, in memory: it goes by what the group has committed, and says what it leaves."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
from django.test import override_settings

from kafka_integration import NO_COMMIT
from kafka_integration.client.metadata.group_offsets import GroupOffsets
from kafka_integration.client.metadata.partition_ends import PartitionEnds
from kafka_integration.client.metadata.topic_ids import TopicIds
from kafka_integration.client.transports.memory import MemoryConsumer, memory_broker
from kafka_integration.conf import get_settings
from kafka_integration.consuming.catching_up import until_caught_up
from kafka_integration.consuming.catching_up.goals import Goal, Goals, describe_left
from kafka_integration.consuming.loop import Phase
from kafka_integration.errors import AccessDeniedError, BrokerUnavailableError
from kafka_integration.operating.leaving import BEHIND
from kafka_integration.operating.runner import RunOptions, run_consumers
from kafka_integration.operating.stopping import StopRequest
from tests.unit import scripted
from tests.unit.consumers import TOPIC, calls_of, committed, consume, consumer_settings, running, write
from tests.unit.scripted_transport import broken, connect
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("memory_transport")


@contextmanager
def another_member(broker):
    """A member that owns its share of the topic and handles nothing; the places that it owns."""
    owned: list[tuple[str, int]] = []
    over = threading.Event()

    def note(consumer, partitions):
        consumer.assign([])
        owned[:] = [(each.topic, each.partition) for each in partitions]

    def poll():
        while not over.is_set():
            member.consume(1, 0.05)

    member = MemoryConsumer(broker, {"group.id": "group"})
    member.subscribe([TOPIC], on_assign=note)
    thread = threading.Thread(target=poll)
    thread.start()
    try:
        wait_for(lambda: owned)
        yield owned
    finally:
        over.set()
        thread.join()
        member.close()


def write_everywhere():
    for partition in range(4):
        write("a", "b", partition=partition)


def finish(places):
    """As the other member would, somewhere else."""
    for topic, number in places:
        memory_broker().commit("group", topic, number, 2)


@pytest.fixture
def looks(monkeypatch):
    """How often the group was looked at: soon again each time."""
    monkeypatch.setattr(until_caught_up, "LOOK_SECONDS", 0.05)
    return calls_of(monkeypatch, until_caught_up.CatchingUp, "_measure")


def wait_for_more(looks):
    """Some looks later; the loop turns oftener than that."""
    looked = len(looks)
    wait_for(lambda: len(looks) >= looked + 5)


def hold(seconds):
    return lambda message: threading.Event().wait(seconds) and None


def test_who_has_finished_its_own_share_waits_for_that_of_the_others(memory_transport, looks):
    write_everywhere()
    with another_member(memory_transport) as others, running(until_caught_up=True) as loop:
        wait_for(lambda: len(scripted.seen) == 4 and len(others) == 2)
        wait_for_more(looks)
        assert loop.phase is Phase.RUNNING

        finish(others)

        wait_for(lambda: loop.phase is Phase.STOPPED)
    assert not loop.leaves_lag


def test_others_that_stand_still_are_waited_for_only_so_long_and_what_is_left_is_said(
    memory_transport, monkeypatch, caplog
):
    write_everywhere()
    monkeypatch.setattr(until_caught_up, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(until_caught_up, "LOOK_SECONDS", 0.05)

    with another_member(memory_transport) as others, running(until_caught_up=True) as loop:
        wait_for(lambda: len(scripted.seen) == 4 and len(others) == 2)
        left = ", ".join(f"{topic}[{number}] 2" for topic, number in sorted(others))
        wait_for(lambda: loop.phase is Phase.STOPPED)

    assert loop.leaves_lag
    assert loop.fault is None
    assert f"consumer c: its group has not caught up, it leaves {left}; 4 in all" in caplog.text


def test_while_it_has_work_of_its_own_nobody_stands_still(memory_transport, monkeypatch):
    write_everywhere()
    monkeypatch.setattr(until_caught_up, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(until_caught_up, "LOOK_SECONDS", 0.05)
    scripted.script.append(hold(0.4))

    with another_member(memory_transport), running(until_caught_up=True) as loop:
        wait_for(lambda: loop.phase is Phase.STOPPED)

    assert len(scripted.seen) == 4
    assert loop.leaves_lag


def test_a_commit_that_is_far_away_is_not_waited_for():
    write_everywhere()

    loop = consume(offset_commit_interval_seconds=3600)

    assert not loop.leaves_lag
    assert [committed(partition) for partition in range(4)] == [2, 2, 2, 2]


def test_what_a_handler_holds_back_for_good_is_no_reason_to_wait():
    write("a", "b")
    scripted.script.append(lambda message: NO_COMMIT)

    loop = consume()

    assert not loop.leaves_lag
    assert len(scripted.seen) == 2


def test_who_is_stopped_before_says_what_is_left(caplog):
    write(*"abc")
    write("x", partition=2)
    began = threading.Event()

    def stop_at_once(message):
        began.set()
        wait_for(lambda: loop.phase is Phase.DRAINING)

    scripted.script.append(stop_at_once)
    with running(until_caught_up=True, batch_size=1) as loop:
        assert began.wait(5)
        loop.stop()

    assert loop.leaves_lag
    assert "it leaves events[0] 2, events[2] 1; 3 in all" in caplog.text


def test_who_is_stopped_when_all_is_done_leaves_nothing(caplog):
    write("a")
    scripted.script.append(lambda message: loop.stop())

    with running(until_caught_up=True) as loop:
        wait_for(lambda: loop.phase is Phase.STOPPED)

    assert not loop.leaves_lag
    assert "not caught up" not in caplog.text


def test_the_process_exits_with_a_status_of_its_own_and_other_consumers_finish(memory_transport, monkeypatch):
    monkeypatch.setattr(until_caught_up, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(until_caught_up, "LOOK_SECONDS", 0.05)
    write_everywhere()
    write(*"abcdef", topic="other")
    scripted.script.append(lambda message: threading.Event().wait(0.2) and None if message.topic == "other" else None)
    settings = consumer_settings()
    settings["consumers"]["d"] = {**settings["consumers"]["c"], "topics": ["other"], "consumer_group": "another"}

    with another_member(memory_transport), override_settings(KAFKA=settings):
        status = run_consumers(list(get_settings().consumers.values()), RunOptions(until_caught_up=True), StopRequest())

    assert status == BEHIND == 4
    assert committed(0, "another", "other") == 6


def test_an_end_that_is_not_known_is_waited_for(monkeypatch):
    write("a")
    write("x", partition=1)
    ask, asked = PartitionEnds.ask, []

    def without_a_leader(ends, places):
        asked.append(places)
        found = ask(ends, places)
        return found if len(asked) > 3 else {place: ends for place, ends in found.items() if place != (TOPIC, 1)}

    monkeypatch.setattr(PartitionEnds, "ask", without_a_leader)
    monkeypatch.setattr(until_caught_up, "LOOK_SECONDS", 0.05)

    loop = consume()

    assert len(asked) > 3
    assert not loop.leaves_lag


def test_a_topic_that_is_kept_from_us_may_have_something_to_do(looks, monkeypatch, caplog):
    def deny(ids, topic, is_over=None):
        raise AccessDeniedError(f"topic {topic}: not for you")

    monkeypatch.setattr(TopicIds, "ask", deny)
    monkeypatch.setattr(GroupOffsets, "places", lambda *_, **__: [])

    with running(until_caught_up=True) as loop:
        wait_for_more(looks)
        assert loop.phase is Phase.RUNNING

    assert loop.leaves_lag
    assert "it leaves what may be in events, which could not be asked for" in caplog.text


def test_who_can_ask_nobody_has_not_caught_up(monkeypatch, caplog):
    def refuse(*_, **__):
        raise BrokerUnavailableError("there is no broker", retriable=True)

    monkeypatch.setattr(GroupOffsets, "places", refuse)
    write("a")

    with running(until_caught_up=True) as loop:
        wait_for(lambda: scripted.seen)

    assert loop.leaves_lag
    assert "it leaves what was there at the start, which could not be asked for" in caplog.text


def test_who_never_found_a_broker_has_not_caught_up(monkeypatch, caplog):
    def refuse(properties):
        raise broken()

    connect(monkeypatch, consumer=refuse, admin=refuse)

    with running(until_caught_up=True):
        wait_for(lambda: "consumer c waits" in caplog.text)
    with override_settings(KAFKA=consumer_settings()):
        stop = StopRequest()
        stop._is_made = True
        status = run_consumers(list(get_settings().consumers.values()), RunOptions(until_caught_up=True), stop)

    assert status == BEHIND
    assert "it leaves what was there at the start, which could not be asked for" in caplog.text


def test_a_group_that_begins_with_what_comes_next_has_to_hold_that_place():
    write("old")

    consume(start_with_earliest_message=False)
    write("new")
    consume(start_with_earliest_message=False)

    assert [message.value for message in scripted.seen] == ["new"]


def test_an_offset_beyond_the_end_is_no_progress():
    goal = Goal(end=10, start=0, needs_offset=False, beyond=1000)

    assert goal.left(1000) is None
    assert goal.left(4) == 6
    assert goal.left(10) == 0


def test_a_partition_that_ends_before_its_goal_has_a_lower_one():
    goals = Goals()
    goals.set(("t", 0), Goal(end=10, start=0, needs_offset=False))

    goals.lower(("t", 0), 3)
    goals.lower(("t", 0), 12)

    assert goals.left({("t", 0): 3}) == {}


def test_a_partition_that_one_look_does_not_find_is_not_done():
    goals = Goals()
    goals.set(("t", 0), Goal(end=10, start=0, needs_offset=False))

    goals.keep([], now=100, patience_seconds=10)
    goals.keep([("t", 0)], now=109, patience_seconds=10)
    goals.keep([], now=111, patience_seconds=10)
    missed = goals.left({})
    goals.keep([], now=121, patience_seconds=10)

    assert missed == {("t", 0): 10}
    assert goals.left({}) == {}


def test_what_is_left_is_said_for_some_partitions_and_for_all_in_a_number():
    left = {("t", number): 1000 for number in range(12)}

    assert describe_left(left).endswith("t[9] 1,000, 2 more partitions; 12,000 in all")
    assert describe_left({("t", 0): 3, ("t", 1): None}) == "t[0] 3, t[1] unknown; 3 in all, and what is unknown"

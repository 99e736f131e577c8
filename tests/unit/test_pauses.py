"""A consumer whose partitions an operator pauses: what is in hand is finished, the rest stays where it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.consuming.group.pauses import Pauses, Scope
from kafka_integration.consuming.loop import ConsumerLoop
from kafka_integration.errors import BrokerUnavailableError
from tests.unit import scripted
from tests.unit.consumers import committed, running, write
from tests.waiting import wait_for

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db(transaction=True)]

ALL = Scope()
WAYS = {
    "lanes": {},
    "in transactions": {"offset_storage": "database"},
    "batches": {"message_handler": "tests.unit.scripted.Batch"},
    "by key": {"ordering": "key", "concurrency": 3},
    "coroutines": {"message_handler": "tests.unit.scripted.handle_async"},
    "coroutines by key": {
        "message_handler": "tests.unit.scripted.handle_async",
        "ordering": "key",
        "concurrency": 3,
    },
}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request: pytest.FixtureRequest) -> dict[str, object]:
    return request.param


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Handlers of "slow" wait until it is opened."""
    opened = threading.Event()
    yield opened
    opened.set()


def values() -> list[str]:
    return [message.value for message in scripted.seen]


def pause(loop: ConsumerLoop, scope: Scope = ALL) -> None:
    loop.pauses.pause(scope)
    wait_for(lambda: loop.pauses.is_carried_out)


def resume(loop: ConsumerLoop, scope: Scope = ALL) -> None:
    loop.pauses.resume(scope)
    wait_for(lambda: loop.pauses.is_carried_out)


def wait_for_turns(loop: ConsumerLoop, count: int = 3) -> None:
    """So many more turns: whatever could come would have come."""
    seen = set()
    wait_for(lambda: seen.add(loop.pulse.beat_at) or len(seen) > count)


def test_what_is_paused_is_left_where_it_is_and_goes_on_there(way):
    with running(**way) as loop:
        write("a", key="k")
        wait_for(lambda: values() == ["a"])
        pause(loop)
        write("b", "c", key="k")
        wait_for_turns(loop)
        before = values()
        resume(loop)

        wait_for(lambda: values() == ["a", "b", "c"])

    assert before == ["a"]
    assert committed() == 3


def test_the_message_in_a_handlers_hands_is_finished_and_no_other_begun(gate):
    scripted.script.append(lambda message: gate.wait(10) if message.value == "slow" else None)
    write("slow", "b", "c")

    with running() as loop:
        wait_for(lambda: values() == ["slow"])
        pause(loop)
        gate.set()
        wait_for(lambda: committed() == 1)
        wait_for_turns(loop)
        before = values()
        resume(loop)
        wait_for(lambda: committed() == 3)

    assert before == ["slow"]
    assert values() == ["slow", "b", "c"]


def test_one_partition_is_paused_and_the_others_go_on(way):
    memory_broker().create_topic("events", 2)

    with running(**way) as loop:
        wait_for(lambda: len(loop.partitions) == 2)
        pause(loop, Scope(topic="events", partition=0))
        write("a", partition=0)
        write("b", partition=1)
        wait_for(lambda: values() == ["b"])
        wait_for_turns(loop)
        before = values()
        resume(loop, Scope(topic="events"))
        wait_for(lambda: sorted(values()) == ["a", "b"])

    assert before == ["b"]


def test_a_partition_that_comes_later_is_paused_as_it_comes(way):
    write("a")

    with running(**way) as loop:
        wait_for(lambda: values() == ["a"])
        pause(loop)
        # Another member takes some of it and goes: what comes back is a new assignment.
        with running():
            wait_for(lambda: len(loop.partitions) < 1 or len(loop.partitions) < 4)
        wait_for(lambda: loop.partitions and all(p.line.is_suspended for p in loop.partitions))
        write("b")
        wait_for_turns(loop)
        before = values()
        resume(loop)
        wait_for(lambda: values() == ["a", "b"])

    assert before == ["a"]


def test_a_retry_waits_for_the_end_of_the_pause_too():
    failures = []

    def fail_once(message):
        if not failures:
            failures.append(message.value)
            raise ValueError

    scripted.script.append(fail_once)
    # Longer than a turn of the loop takes at most, which has to see the pause before.
    with running(retry={"attempts": 2, "backoff_seconds": 3, "max_backoff_seconds": 3}) as loop:
        write("a")
        wait_for(lambda: failures)
        pause(loop)
        wait_for(lambda: all(p.line.ready_at < loop.pulse.beat_at for p in loop.partitions))
        wait_for_turns(loop)
        before = len(values())
        resume(loop)
        wait_for(lambda: committed() == 1)

    assert before == 1
    assert values() == ["a", "a"]


@pytest.mark.parametrize("ordering", ["partition", "key"])
@pytest.mark.parametrize("handler", ["handle", "handle_async"])
def test_a_message_that_waits_for_the_end_of_an_outage_is_not_forgotten(ordering, handler, gate):
    def need_what_is_away(message):
        if not gate.is_set():
            raise BrokerUnavailableError("away", code="_TRANSPORT", retriable=True)

    scripted.script.append(need_what_is_away)
    with running(message_handler=f"tests.unit.scripted.{handler}", ordering=ordering, concurrency=2) as loop:
        write("a", key="k")
        write("b", key="l")
        wait_for(lambda: any(p.is_in_outage for p in loop.partitions))
        pause(loop)
        gate.set()
        resume(loop)

        wait_for(lambda: committed() == 2)


def test_who_is_quiet_begins_nothing_more_and_keeps_its_partitions(way):
    with running(**way) as loop:
        write("a")
        wait_for(lambda: values() == ["a"])
        loop.pauses.be_quiet()
        wait_for(lambda: loop.pauses.is_carried_out)
        write("b")
        wait_for_turns(loop)
        owned = len(loop.partitions)

    assert owned
    assert values() == ["a"]
    assert committed() == 1


def test_a_paused_consumer_stops_as_any_other(way):
    write("a")

    with running(**way) as loop:
        wait_for(lambda: committed() == 1)
        pause(loop)
        write("b")

    assert loop.fault is None
    assert values() == ["a"]


def wants(pauses: Pauses, *places: tuple[str, int]) -> list[bool]:
    """Which of them it would have paused, of topics "a" and "b" with partitions 0 and 1."""
    return [pauses.wants_paused(Scope(topic=topic, partition=number)) for topic, number in places]


def test_what_was_asked_last_counts():
    pauses = Pauses("c")

    pauses.pause(ALL)
    pauses.resume(Scope(topic="a"))
    pauses.pause(Scope(topic="a", partition=1))

    assert wants(pauses, ("a", 0), ("a", 1), ("b", 0)) == [False, True, True]
    pauses.resume(ALL)
    assert wants(pauses, ("a", 0), ("a", 1), ("b", 0)) == [False, False, False]


def test_who_asks_for_more_than_before_asks_for_all_of_it():
    pauses = Pauses("c")

    pauses.pause(Scope(topic="a", partition=1))
    pauses.resume(Scope(topic="b"))
    pauses.pause(Scope(topic="a"))
    pauses.resume(Scope(topic="a", partition=0))

    assert wants(pauses, ("a", 0), ("a", 1), ("b", 0)) == [False, True, False]

"""`ordering` "key" and "none": many messages of a partition at a time, each key's in order."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

import pytest

from kafka_integration import CommitThrough
from kafka_integration.client.committed import OFFSETS_IN_KAFKA
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.consuming.loop import ConsumerLoop, Phase
from kafka_integration.consuming.offsets.beyond import Beyond, decode, encode
from kafka_integration.errors import BrokerUnavailableError, HandlerError
from tests.owned import is_full, owned
from tests.unit import scripted
from tests.unit.consumers import TOPIC, committed, consume, running, write
from tests.unit.gates import Gate
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("memory_transport")


def values() -> list[Any]:
    return [message.value for message in scripted.seen]


@pytest.mark.parametrize("ordering", ["key", "none"])
def test_every_message_is_handled_once_and_committed(ordering):
    for number in range(500):
        write(str(number), key=f"k{number % 50}")

    consume(ordering=ordering, concurrency=8)

    assert sorted(map(int, values())) == list(range(500))
    assert committed() == 500


def test_the_messages_of_a_key_are_handled_in_order():
    for number in range(500):
        write(str(number), key=f"k{number % 7}")

    consume(ordering="key", concurrency=8)

    by_key = defaultdict(list)
    for message in scripted.seen:
        by_key[message.key].append(message.offset)
    assert len(by_key) == 7
    assert all(offsets == sorted(offsets) for offsets in by_key.values())


def test_while_one_message_is_in_a_handlers_hands_those_of_other_keys_go_on_and_those_of_its_key_wait():
    gate = Gate("slow")
    scripted.script.append(gate)
    write("slow", "next", key="a")
    write("other", "more", key="b")

    with running(ordering="key", concurrency=2):
        wait_for(lambda: "more" in values())
        seen = values()
        gate.open()
        wait_for(lambda: "next" in values())
        wait_for(lambda: committed() == 4)

    assert sorted(seen) == ["more", "other", "slow"]


def test_what_is_finished_beyond_an_unfinished_message_is_not_committed():
    gate = Gate("slow")
    scripted.script.append(gate)
    write("first", key="a")
    write("slow", key="a")
    write("other", key="b")

    with running(ordering="key", concurrency=2):
        wait_for(lambda: "other" in values() and committed() == 1)
        gate.open()
        wait_for(lambda: committed() == 3)


def test_messages_without_a_key_wait_for_nobody():
    gate = Gate("one", "two")
    scripted.script.append(gate)
    write("one", "two", "three")

    with running(ordering="key", concurrency=3):
        wait_for(lambda: set(values()) == {"one", "two", "three"})
        gate.open()
        wait_for(lambda: committed() == 3)


def test_without_any_order_messages_of_one_key_are_handled_side_by_side():
    gate = Gate("one", "two")
    scripted.script.append(gate)
    write("one", "two", key="a")

    with running(ordering="none", concurrency=2):
        wait_for(lambda: all(reached.is_set() for reached in gate.reached.values()))
        gate.open()
        wait_for(lambda: committed() == 2)


def test_no_more_than_concurrency_messages_are_handled_at_a_time():
    at_once, most, lock = 0, 0, threading.Lock()

    def count(message):
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        threading.Event().wait(0.002)
        with lock:
            at_once -= 1

    scripted.script.append(count)
    for number in range(100):
        write(str(number), key=str(number))

    consume(ordering="key", concurrency=4)

    assert most == 4


def test_of_a_partition_no_more_than_max_ahead_messages_are_taken_beyond_one_that_waits():
    gate = Gate("slow")
    scripted.script.append(gate)
    write("slow", key="a")
    write(*map(str, range(2000)), key="b")

    with running(ordering="key", concurrency=2, max_ahead=100) as loop:
        wait_for(lambda: is_full(loop, 100))
        gate.open()
        wait_for(lambda: committed() == 2001)

    assert len(scripted.seen) == 2001


def test_a_message_that_waits_for_its_retry_holds_its_key_alone():
    failures = []

    def fail_first(message):
        if message.value == "bad" and not failures:
            failures.append(message)
            raise ValueError

    scripted.script.append(fail_first)
    write("bad", "behind", key="a")
    write("other", key="b")

    consume(ordering="key", concurrency=1, retry={"attempts": 2, "backoff_seconds": 0.3, "max_backoff_seconds": 0.3})

    assert values() == ["bad", "other", "bad", "behind"]
    assert committed() == 3


def test_a_failure_for_good_stops_the_consumer_and_what_is_finished_before_it_is_committed():
    scripted.fail_on("bad")
    write("good", key="a")
    write("bad", "behind", key="b")

    loop = consume(ordering="key", concurrency=1)

    assert "stops at" in str(loop.fault)
    assert "behind" not in values()
    assert committed() == 1


def test_after_an_outage_others_go_on_as_soon_as_one_message_has_got_through():
    gate, is_over = Gate("a1"), threading.Event()

    def follow(message):
        if not is_over.is_set():
            raise BrokerUnavailableError("away")
        gate(message)

    scripted.script.append(follow)
    write(*(f"a{number}" for number in range(5)), key="a")
    write(*(f"b{number}" for number in range(5)), key="b")

    with running(ordering="key", concurrency=2):
        wait_for(lambda: len(scripted.seen) >= 3)
        is_over.set()
        wait_for(lambda: gate.reached["a1"].is_set() and "b4" in values())
        gate.open()
        wait_for(lambda: committed() == 10)


@pytest.mark.parametrize("result", [CommitThrough, lambda message: __import__("kafka_integration").NO_COMMIT])
def test_a_handler_that_holds_the_commit_back_fails(result):
    scripted.script.append(result)
    write("one", key="a")

    loop = consume(ordering="key")

    assert 'ordering "partition"' in str(loop.fault)


def test_a_batch_handler_is_refused():
    with pytest.raises(HandlerError, match='use "ordering": "partition"'):
        consume(ordering="key", message_handler="tests.unit.scripted.Batch")


@pytest.mark.parametrize("ordering", ["key", "none", "partition"])
def test_a_killed_consumer_repeats_only_what_its_last_commit_did_not_hold(ordering):
    gate = Gate("slow")
    scripted.script.append(gate)
    write("slow", key="a")
    write(*map(str, range(50)), key="b")
    write("last", key="a")

    with running(ordering="key", concurrency=2) as loop:
        wait_for(lambda: len(noted()) == 50)
        # Nothing more of it reaches Kafka, as if it had been killed.
        loop.session.commits.give_up()
        loop.session.client.commit = lambda *arguments, **options: None
        gate.open()
    scripted.seen.clear()
    scripted.script.clear()
    consume(ordering=ordering)

    assert values() == ["slow", "last"]
    assert (committed(), noted()) == (52, ())


def test_what_is_finished_beyond_is_kept_while_a_consumer_in_the_partitions_order_works_it_off():
    write("slow", "next", key="a")
    write("other", key="b")
    write("last", key="a")
    memory_broker().commit("group", TOPIC, 0, 0, f"{OFFSETS_IN_KAFKA}; {encode(Beyond(offsets=(2,)), 0, 100)[0]}")
    scripted.script.append(Gate("next"))

    with running(ordering="partition"):
        wait_for(lambda: committed() == 1)
        beyond = noted()
        scripted.script[0].open()
        wait_for(lambda: committed() == 4)

    assert beyond == (2,)
    assert values() == ["slow", "next", "last"]
    assert noted() == ()


@pytest.mark.parametrize("ordering", ["key", "partition"])
def test_which_leader_wrote_what_is_finished_beyond_is_still_known_before_that_is_fetched_again(ordering):
    write("slow", "next", key="a")
    write("other", key="b")
    write("last", key="a")
    note = encode(Beyond(offsets=(2,), epoch=5), 0, 100)[0]
    memory_broker().commit("group", TOPIC, 0, 0, f"{OFFSETS_IN_KAFKA}; {note}")
    scripted.script.append(Gate("next"))

    with running(ordering=ordering):
        wait_for(lambda: committed() == 1)
        note = memory_broker().committed_metadata("group", TOPIC, 0).removeprefix(f"{OFFSETS_IN_KAFKA}; ")
        scripted.script[0].open()
        wait_for(lambda: committed() == 4)

    assert decode(note, 1) == Beyond(offsets=(2,), epoch=5)


@pytest.mark.parametrize("note", ["", "; ", "; beyond1:garbage", "; beyond9:whatever", "; something else"])
def test_a_note_that_is_not_ours_says_nothing(note):
    write("a", "b", "c")
    memory_broker().commit("group", TOPIC, 0, 1, f"{OFFSETS_IN_KAFKA}{note}")

    consume(ordering="key")

    assert sorted(values()) == ["b", "c"]


def noted(partition: int = 0) -> tuple[int, ...]:
    """What the group's commit says to be finished beyond it."""
    metadata = memory_broker().committed_metadata("group", TOPIC, partition)
    return decode(metadata.removeprefix(f"{OFFSETS_IN_KAFKA}; "), committed(partition) or 0).offsets


def test_a_message_limit_counts_what_is_finished_beyond_once_also_where_the_partition_begins_again():
    failures = []

    def fail_first(message):
        if message.value == "bad" and not failures:
            failures.append(message)
            raise ValueError

    scripted.script.append(fail_first)
    write("bad", key="a")
    write(*"bcdefgh", key="b")

    retry = {"attempts": 3, "backoff_seconds": 60, "max_backoff_seconds": 60}
    with running(ordering="key", concurrency=2, max_messages=5, retry=retry) as loop:
        wait_for(lambda: any(p.ledger.finished_beyond() == [1, 2, 3, 4] for p in owned(loop)))
        fail_once(loop)
        wait_for(lambda: loop.phase is Phase.STOPPED)

    assert sorted(values()[:5]) == sorted(["bad", *"bcde"])
    assert values()[5:] == ["bad"]
    assert (committed(), noted()) == (1, (1, 2, 3, 4))


def fail_once(loop: ConsumerLoop) -> None:
    """Its next fetch fails once, so that each partition begins again at its ledger."""
    client = loop.session.client
    fetch = client.fetch

    def fail(limit, timeout):
        client.fetch = fetch
        raise BrokerUnavailableError("gone for a moment", retriable=True)

    client.fetch = fail

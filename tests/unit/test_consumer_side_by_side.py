"""`ordering` "key" and "none" with offsets in the database: many lanes at a time, each message one effect."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from django.db import OperationalError, connection

from kafka_integration import Skip
from kafka_integration.client.committed import OFFSETS_IN_KAFKA
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.consuming.committing import finished
from kafka_integration.consuming.committing.store import OffsetStore
from kafka_integration.consuming.handling.own_transaction import OwnTransaction
from kafka_integration.consuming.offsets.beyond import Beyond, encode
from kafka_integration.models import DeadLetter, FinishedOffset, OutboxMessage, StoredOffset
from tests.owned import is_full
from tests.unit import scripted
from tests.unit.consumers import committed, consume, running, write
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]

BY_KEY = {"ordering": "key", "concurrency": 4, "offset_storage": "database"}


def write_effect(message):
    OutboxMessage.objects.create(topic=message.value)


def effects():
    """In a table that hides no repeat."""
    return Counter(OutboxMessage.objects.values_list("topic", flat=True))


def once(*values):
    return dict.fromkeys(map(str, values), 1)


def floor():
    return StoredOffset.objects.get(partition=0).next_offset


def beyond():
    return sorted(FinishedOffset.objects.values_list("offset", flat=True))


class Held:
    """A handler that writes effects, and waits at one value until it is let go."""

    def __init__(self, value):
        self.value = value
        self.released = threading.Event()
        scripted.script.append(self)

    def __call__(self, message):
        write_effect(message)
        if message.value == self.value:
            assert self.released.wait(30)


@pytest.mark.parametrize("ordering", ["key", "none"])
def test_every_message_has_one_effect_and_the_offset_ends_behind_all(ordering):
    scripted.script.append(write_effect)
    for number in range(200):
        write(str(number), key=f"k{number % 20}")

    consume(**BY_KEY | {"ordering": ordering})

    assert effects() == once(*range(200))
    assert (floor(), beyond(), committed()) == (200, [], 200)


@pytest.mark.server_database
def test_no_more_than_max_ahead_messages_are_saved_beyond_one_that_waits():
    held = Held("slow")
    write("slow", key="a")
    write(*map(str, range(1200)), key="b")

    with running(**BY_KEY, max_ahead=100) as loop:
        wait_for(lambda: is_full(loop, 100))
        held.released.set()
        wait_for(lambda: committed() == 1201)

    assert (floor(), beyond()) == (1201, [])


@pytest.mark.server_database
def test_a_key_that_waits_holds_the_offset_and_the_others_are_saved_beyond():
    held = Held("slow")
    write("slow", key="a")
    write("b", "c", key="b")

    with running(**BY_KEY):
        wait_for(lambda: beyond() == [1, 2])
        assert (floor(), committed() or 0) == (0, 0)
        held.released.set()
        wait_for(lambda: committed() == 3)

    assert effects() == once("slow", "b", "c")
    assert (floor(), beyond()) == (3, [])


def test_what_is_saved_beyond_is_not_handled_again_after_a_restart():
    scripted.script.append(write_effect)
    write(*map(str, range(10)), key="a")
    saved_by_another_worker(3, 7, 9)

    consume(**BY_KEY)

    assert effects() == once(0, 1, 2, 4, 5, 6, 8)
    assert (floor(), beyond()) == (10, [])


def test_whoever_goes_back_to_the_order_of_partitions_leaves_out_what_was_saved_beyond():
    scripted.script.append(write_effect)
    write(*map(str, range(10)), key="a")
    saved_by_another_worker(3, 7, 9)

    consume(offset_storage="database")

    assert effects() == once(0, 1, 2, 4, 5, 6, 8)
    assert (floor(), committed()) == (10, 10)


def saved_by_another_worker(*offsets):
    OffsetStore(database="default", group="group").claim(topic="events", topic_id="", partition=0, fallback=0)
    row = StoredOffset.objects.get()
    FinishedOffset.objects.bulk_create(FinishedOffset(stored=row, offset=offset) for offset in offsets)


def test_a_message_that_fails_is_parked_with_its_place_and_the_others_of_its_key_go_on():
    def fail(message):
        write_effect(message)
        if message.value == "bad":
            raise ValueError("bad")

    scripted.script.append(fail)
    write("a", "bad", "c", key="k")

    consume(**BY_KEY | {"on_failure": "dead_letter"})

    assert effects() == once("a", "c")
    assert DeadLetter.objects.get().offset == 1
    assert (floor(), beyond()) == (3, [])


def test_a_message_that_is_skipped_by_decision_is_saved_too():
    def skip(message):
        raise Skip

    scripted.script.append(skip)
    write("a", "b", key="k")

    consume(**BY_KEY)

    assert (floor(), beyond()) == (2, [])


def test_a_commit_of_which_nobody_heard_is_no_second_effect_and_stops_no_other_key(monkeypatch):
    answers = lose_the_answer_once(monkeypatch, "2")
    claims = claims_of(monkeypatch)
    scripted.script.append(write_effect)
    for number in range(20):
        write(str(number), key=f"k{number % 5}")

    consume(**BY_KEY)

    assert answers == ["2"]
    assert effects() == once(*range(20))
    assert len(claims) == 1
    assert [message.value for message in scripted.seen].count("2") == 1


def test_a_commit_that_did_not_happen_is_made_up_for(monkeypatch):
    calls = []

    def lose_connection(message):
        write_effect(message)
        calls.append(message.value)
        if calls.count("2") == 1 and message.value == "2":
            raise lost_connection()

    scripted.script.append(lose_connection)
    for number in range(20):
        write(str(number), key=f"k{number % 5}")

    consume(**BY_KEY)

    assert effects() == once(*range(20))
    assert calls.count("2") == 2


@pytest.mark.server_database
def test_what_the_database_lost_is_handled_again(caplog):
    held = Held("slow")
    write("slow", key="a")
    write("b", "c", key="b")

    with running(**BY_KEY):
        wait_for(lambda: beyond() == [1, 2])
        FinishedOffset.objects.filter(offset=1).delete()
        OutboxMessage.objects.filter(topic="b").delete()
        held.released.set()
        wait_for(lambda: committed() == 3)

    assert effects() == once("slow", "b", "c")
    assert "the database lost transactions that it had committed: it lacks messages of events[0]" in caplog.text


def test_a_worker_that_lost_its_partition_claims_it_again_and_repeats_nothing(monkeypatch):
    claims = claims_of(monkeypatch)
    scripted.script.append(write_effect)
    fenced = threading.Event()

    def fence_once(message):
        write_effect(message)
        if message.value == "5" and not fenced.is_set():
            fenced.set()
            StoredOffset.objects.filter(partition=0).update(epoch=100)

    scripted.script[:] = [fence_once]
    for number in range(20):
        write(str(number), key=f"k{number % 5}")

    consume(**BY_KEY)

    assert effects() == once(*range(20))
    assert len(claims) == 2


def claims_of(monkeypatch):
    claims, claim = [], OffsetStore.claim

    def count(self, **options):
        if options["partition"] == 0:
            claims.append(options)
        return claim(self, **options)

    monkeypatch.setattr(OffsetStore, "claim", count)
    return claims


def lose_the_answer_once(monkeypatch, value):
    """The COMMIT of this message goes through, and nobody hears of it."""
    lost, leave = [], OwnTransaction.__exit__
    offset = int(value)
    saved, save = threading.local(), finished.FinishedOffsets.save

    def note_saved(self, stream, at, leader_epoch):
        saved.offset = at
        save(self, stream, at, leader_epoch)

    def leave_and_lose(self, *error):
        leave(self, *error)
        if error[0] is None and getattr(saved, "offset", None) == offset and not lost:
            lost.append(value)
            raise lost_connection()

    monkeypatch.setattr(finished.FinishedOffsets, "save", note_saved)
    monkeypatch.setattr(OwnTransaction, "__exit__", leave_and_lose)
    return lost


def lost_connection():
    cause = type("ConnectionFailure", (Exception,), {"sqlstate": "08006", "pgcode": "08006"})("gone")
    error = OperationalError("server closed the connection unexpectedly")
    error.__cause__ = cause
    return error


@pytest.mark.server_database
def test_a_worker_that_was_frozen_before_its_commit_blames_no_message(monkeypatch):
    frozen, save = [], finished.FinishedOffsets.save

    def save_and_freeze(self, stream, offset, leader_epoch):
        save(self, stream, offset, leader_epoch)
        if not frozen:
            frozen.append(offset)
            # As long as it takes the server to end the session.
            pid = backend_pid()
            saved_by_thread = threading.Thread(target=wait_until_gone, args=(pid,))
            saved_by_thread.start()
            saved_by_thread.join(30)

    monkeypatch.setattr(finished, "FROZEN_SECONDS", 1)
    monkeypatch.setattr(finished.FinishedOffsets, "save", save_and_freeze)
    scripted.script.append(write_effect)
    write("a", "b", "c", key="k")

    consume(**BY_KEY)

    assert frozen
    assert effects() == once("a", "b", "c")
    assert [message.attempt for message in scripted.seen] == [1] * 4


def backend_pid():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def wait_until_gone(pid):
    def is_gone():
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [pid])
            return cursor.fetchone()[0] == 0

    try:
        wait_for(is_gone, 20)
    finally:
        connection.close()


@pytest.mark.parametrize("ordering", ["key", "partition"])
def test_what_was_finished_beyond_an_offset_in_kafka_is_finished_in_the_database_too(ordering):
    scripted.script.append(write_effect)
    memory_broker().create_topic("events", 1)
    write(*map(str, range(10)), key="a")
    note, _ = encode(Beyond(offsets=(4, 6, 9)), 2, 4096)
    memory_broker().commit("group", "events", 0, 2, f"{OFFSETS_IN_KAFKA}; {note}")

    consume(**BY_KEY | {"ordering": ordering})

    assert effects() == once(2, 3, 5, 7, 8)
    assert floor() == 10

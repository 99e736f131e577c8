"""Parking: what is kept of a message that failed for good, and in which order that becomes durable."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, OperationalError
from django.db.models.functions import Now

from kafka_integration import BatchError, Reject
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.consuming.committing.store import OffsetStore
from kafka_integration.dead_letters.parking import DeadLetters
from kafka_integration.errors import TooManyDeadLettersError
from kafka_integration.headers import load_headers
from kafka_integration.models import DeadLetter, StoredOffset
from tests.bad_messages import GOOD
from tests.unit import scripted
from tests.unit.consumers import committed, consume, write
from tests.unit.scripted import fail_on

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]

STORAGES = pytest.mark.parametrize("storage", ["kafka", "database"])
BATCH = "tests.unit.scripted.Batch"
BYTES = {"key_deserializer": "bytes", "value_deserializer": "bytes"}


def park(**options):
    return consume(**{"on_failure": "dead_letter", **options})


def fail_always(message):
    raise ValueError("card 4111 1111")


def handled():
    return [message.value for message in scripted.seen]


@STORAGES
def test_a_failed_message_is_parked_and_the_next_one_handled(storage):
    write("a", "bad", "c", key="k")
    fail_on("bad")

    loop = park(offset_storage=storage, retry={"attempts": 3, "backoff_seconds": 0})

    letter = DeadLetter.objects.get()
    assert (letter.topic, letter.partition, letter.offset) == ("events", 0, 1)
    assert (letter.consumer, letter.group, letter.attempts) == ("c", "group", 3)
    assert (bytes(letter.key), bytes(letter.value)) == (b"k", b"bad")
    assert letter.state == DeadLetter.State.PARKED
    assert handled() == ["a", "bad", "bad", "bad", "c"]
    assert loop.counts.read().parked == 1
    assert committed() == 3


@STORAGES
@pytest.mark.parametrize("sent", GOOD, ids=lambda sent: sent.name)
def test_every_byte_is_kept(storage, sent):
    memory_broker().produce("events", sent.value, sent.key, headers=sent.headers, partition=0)
    scripted.script.append(fail_always)

    park(offset_storage=storage, **BYTES)

    letter = DeadLetter.objects.get()
    assert (letter.value if sent.value is None else bytes(letter.value)) == sent.value
    assert (letter.key if sent.key is None else bytes(letter.key)) == sent.key
    assert load_headers(letter.headers) == list(sent.headers)


@pytest.mark.parametrize(("sent", "kept"), [(1, 1), (1_700_000_000_123, 1_700_000_000_123), (2**62, 2**62), (-1, None)])
def test_timestamps_are_kept_even_those_no_datetime_can_hold(sent, kept):
    memory_broker().produce("events", "v", partition=0, timestamp_ms=sent)
    scripted.script.append(fail_always)

    park()

    letter = DeadLetter.objects.get()
    assert (letter.timestamp_ms, letter.timestamp_type) == (kept, "create")


def test_the_exception_is_kept_without_what_it_says():
    write("v")
    scripted.script.append(fail_always)

    park()

    letter = DeadLetter.objects.get()
    assert letter.exception == "builtins.ValueError"
    assert letter.reason == ""
    assert "in fail_always" in letter.traceback
    assert "4111 1111" not in letter.traceback.replace('raise ValueError("card 4111 1111")', "")


def test_a_rejection_is_parked_at_once_with_its_reason():
    write("v")
    fail_on("v", error=Reject)

    park(retry={"attempts": 5})

    letter = DeadLetter.objects.get()
    assert (letter.attempts, letter.reason) == (1, "no v")


def test_what_cannot_be_decoded_says_where():
    write(b"\xff")
    scripted.script.append(lambda message: message.value)

    park()

    letter = DeadLetter.objects.get()
    assert letter.exception == "kafka_integration.errors.DecodeError"
    assert letter.reason == "the value of events[0]@0: byte 0 is not valid utf-8"


@STORAGES
def test_a_batch_handler_loses_only_what_it_names(storage):
    write(*"abcd")

    def follow(messages):
        bad = {message: ValueError() for message in messages if message.value in "bc"}
        if bad:
            raise BatchError(bad)

    scripted.script.append(follow)

    loop = park(message_handler=BATCH, offset_storage=storage)

    assert [bytes(letter.value) for letter in DeadLetter.objects.order_by("offset")] == [b"b", b"c"]
    assert committed() == 4
    assert loop.counts.read().parked == 2


@STORAGES
def test_one_that_comes_again_is_the_same_dead_letter_parked_anew(storage):
    write("bad")
    scripted.script.append(fail_always)
    park(offset_storage=storage)
    DeadLetter.objects.update(state=DeadLetter.State.HANDLED, settled_at=Now())
    memory_broker().commit("group", "events", 0, 0)
    StoredOffset.objects.update(next_offset=0)

    park(offset_storage=storage)

    letter = DeadLetter.objects.get()
    assert letter.state == DeadLetter.State.PARKED
    assert letter.settled_at is None


@STORAGES
def test_what_cannot_be_written_waits_and_nothing_is_committed(storage, monkeypatch, caplog):
    write("bad", "good")
    fail_on("bad")
    offsets = []
    real = DeadLetters.park

    def fail_twice(self, partition, message, error):
        offsets.append((committed(), scripted.seen[-1].value))
        if len(offsets) < 3:
            raise DatabaseError("no space left")
        real(self, partition, message, error)

    monkeypatch.setattr(DeadLetters, "park", fail_twice)

    park(offset_storage=storage)

    assert [offset or 0 for offset, _ in offsets] == [0, 0, 0]
    assert {value for _, value in offsets} == {"bad"}
    assert handled() == ["bad", "good"]
    assert DeadLetter.objects.count() == 1
    assert caplog.text.count("can't be written as a dead letter") == 2
    assert committed() == 2


def test_in_the_database_the_dead_letter_and_the_offset_are_one_transaction(monkeypatch):
    write("bad")
    scripted.script.append(fail_always)
    counts = []
    real = OffsetStore.save

    def fail_once(self, partition, **offsets):
        counts.append(DeadLetter.objects.count())
        if len(counts) == 1:
            raise OperationalError("the connection is gone")
        real(self, partition, **offsets)

    monkeypatch.setattr(OffsetStore, "save", fail_once)

    park(offset_storage="database")

    # Each time the row was there within its own transaction only: the first one was rolled back.
    assert counts == [1, 1]
    assert DeadLetter.objects.count() == 1
    assert StoredOffset.objects.get(partition=0).next_offset == 1


def test_text_that_postgresql_and_terminals_refuse_is_kept_from_them(caplog):
    class Odd(Exception):  # noqa: N818 - its name is the point
        pass

    Odd.__qualname__ = "Odd\0\ud800\n"
    write("a", "b")
    scripted.script.append(lambda message: (_ for _ in ()).throw(Odd() if message.value == "a" else Reject("\0\udfff")))

    park()

    a, b = DeadLetter.objects.order_by("offset")
    assert a.exception.endswith("Odd\\x00\\ud800\n")
    assert b.reason == "\\x00\\udfff"
    assert "Odd\\x00\\ud800\\n at " in caplog.text


@STORAGES
def test_beyond_the_limit_the_consumer_stops_and_says_why(storage):
    write(*"abcdef")
    scripted.script.append(fail_always)

    loop = park(offset_storage=storage, max_dead_letters_per_minute=3)

    assert isinstance(loop.fault, TooManyDeadLettersError)
    assert "max_dead_letters_per_minute" in str(loop.fault)
    assert "<Message events[0]@3>, which stays uncommitted" in str(loop.fault)
    assert DeadLetter.objects.count() == 3
    assert committed() == 3


def test_a_limit_of_one_is_said_as_one():
    write(*"ab")
    scripted.script.append(fail_always)

    loop = park(max_dead_letters_per_minute=1)

    assert "dead letters of group group within a minute: 1, all that" in str(loop.fault)
    assert "1 dead letters" not in str(loop.fault)


def test_the_limit_is_of_the_last_minute_and_of_the_group():
    write(*"ab")
    scripted.script.append(fail_always)
    park(max_dead_letters_per_minute=2)
    DeadLetter.objects.filter(offset=0).update(failed_at=Now() - timedelta(seconds=61))
    DeadLetter.objects.filter(offset=1).update(group="another")
    write(*"cd")

    loop = park(max_dead_letters_per_minute=2)

    assert loop.fault is None
    assert DeadLetter.objects.count() == 4


def test_skipped_and_handled_messages_do_not_count_towards_the_limit():
    write(*"abcdef")
    fail_on("a", error=Reject)

    loop = park(max_dead_letters_per_minute=2)

    assert loop.fault is None
    assert handled() == list("abcdef")

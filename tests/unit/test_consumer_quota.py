"""``--max-messages``: each message counts once, when it is finished, however often it was fetched."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from kafka_integration import NO_COMMIT, Skip
from kafka_integration.client.consumer import ConsumerClient
from kafka_integration.client.transports.memory import MemoryConsumer
from kafka_integration.models import DeadLetter
from tests.unit import scripted
from tests.unit.consumers import committed, consume, write
from tests.unit.scripted_transport import broken, script_consumers

pytestmark = pytest.mark.usefixtures("memory_transport")


def values():
    return [message.value for message in scripted.seen]


def test_what_is_fetched_again_after_a_failed_fetch_is_not_counted_again(monkeypatch):
    write(*"abcdef")
    failed, is_over = [], threading.Event()

    def fail_while_the_first_is_handled(consumer, count, timeout):
        if failed:
            is_over.set()
        elif scripted.seen:
            failed.append(True)
            raise broken()
        return MemoryConsumer.consume(consumer, count, timeout)

    script_consumers(monkeypatch, consume=fail_while_the_first_is_handled)
    scripted.script.append(lambda message: is_over.wait(5))

    loop = consume(max_messages=4, batch_size=1)

    assert is_over.is_set()
    assert values() == list("abcd")
    assert committed() == 4
    assert loop.counts.read().handled == 4


def test_what_was_left_out_when_there_was_no_room_comes_when_there_is_again(monkeypatch):
    """Of partition 0 nothing but the first is finished, the rest goes to another member: others come in its place."""
    write(*"abc", partition=0)
    write(*"uvwxyz", partition=1)
    fetch = ConsumerClient.fetch
    is_lost = threading.Event()

    def fetch_one_partition_after_the_other(client, limit, timeout):
        raws = sorted(fetch(client, limit, timeout), key=lambda raw: raw.partition())
        if values() == ["a"] and not is_lost.is_set():
            client._listener.lost([("events", 0)])
            is_lost.set()
        return raws

    monkeypatch.setattr(ConsumerClient, "fetch", fetch_one_partition_after_the_other)
    scripted.script.append(lambda message: is_lost.wait(5))

    loop = consume(max_messages=4)

    # The handler of "a" was at work when its partition went: whoever has it now handles it again.
    assert loop.fault is None
    assert values() == ["a", "u", "v", "w", "x"]
    assert committed(1) == 4


@pytest.mark.django_db(transaction=True)
def test_a_partition_that_is_claimed_again_counts_what_it_finishes(monkeypatch):
    """The answer to a COMMIT is lost: what it did is known, and counted, after the next claim."""
    write(*"abcdef")
    commit = BaseDatabaseWrapper.commit
    lost = []

    class ServerDown(Exception):  # noqa: N818 - a driver's
        sqlstate = "57P01"

    def lose_an_answer(self):
        commit(self)
        if values() == ["a", "b"] and not lost:
            lost.append(True)
            self.run_commit_hooks_on_set_autocommit_on = False
            raise OperationalError from ServerDown()

    monkeypatch.setattr(BaseDatabaseWrapper, "commit", lose_an_answer)
    scripted.script.append(lambda message: Group.objects.create(name=message.value))

    consume(max_messages=4, offset_storage="database")

    assert lost
    assert sorted(Group.objects.values_list("name", flat=True)) == list("abcd")


@pytest.mark.django_db(transaction=True)
def test_retried_parked_and_skipped_messages_count_once_each():
    write(*"abcdef")

    def follow(message):
        if message.value == "a":
            raise Skip
        if message.value == "b":
            raise ValueError

    scripted.script.append(follow)

    consume(max_messages=4, on_failure="dead_letter", retry={"attempts": 3, "backoff_seconds": 0.01})

    assert values() == list("abbbcd")
    assert DeadLetter.objects.count() == 1
    assert committed() == 4


def test_what_a_handler_leaves_uncommitted_counts():
    write(*"abcdef")
    scripted.script.append(lambda message: NO_COMMIT)

    consume(max_messages=4)

    assert values() == list("abcd")


def test_the_next_run_goes_on_behind_the_last_one():
    for partition in range(3):
        write(*"abcde", partition=partition)

    for _ in range(3):
        consume(max_messages=5)

    assert sorted(values()) == sorted("abcde" * 3)
    assert [committed(partition) for partition in range(3)] == [5, 5, 5]

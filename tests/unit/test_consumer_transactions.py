"""Exactly-once effects, seen from one lane: what commits, what rolls back, who is fenced."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.db import DatabaseError, OperationalError, connection, transaction

from kafka_integration import NO_COMMIT, BatchError, Retry, Skip
from kafka_integration.consuming.committing.store import OffsetStore
from kafka_integration.consuming.ordering.chunk import Chunk
from kafka_integration.errors import BrokerUnavailableError, ConsumerStoppedError
from kafka_integration.models import DeadLetter
from tests.unit import scripted
from tests.unit.consumers import committed, consume, write
from tests.unit.effects import BATCH, Worker, effects, message, stored, write_effect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]

SHAPES = [
    pytest.param({}, id="a transaction a message"),
    pytest.param({"transaction": "batch"}, id="a transaction a batch"),
    pytest.param({"message_handler": BATCH}, id="a batch handler"),
]


@pytest.mark.parametrize("options", SHAPES)
def test_effects_and_offset_commit_together(settings, options):
    worker = Worker(settings, **options)
    scripted.script.append(write_effect)

    worker.handle("a", "b", "c")

    assert effects() == ["0:a", "1:b", "2:c"]
    assert stored() == 3
    assert worker.counts.read().handled == 3


@pytest.mark.parametrize("options", SHAPES)
def test_a_worker_that_lost_its_partition_rolls_back(settings, options):
    scripted.script.append(write_effect)
    old, new = Worker(settings, **options), Worker(settings, **options)

    remainder = old.handle("a", "b")
    new.handle("a", "b")

    assert remainder.reclaim
    assert effects() == ["0:a", "1:b"]
    assert stored() == 2


@pytest.mark.parametrize("options", SHAPES)
def test_a_failing_message_leaves_no_effect_and_the_others_each_one(settings, options):
    worker = Worker(settings, on_failure="skip", **options)

    def follow(argument):
        write_effect(argument)
        for each in argument if isinstance(argument, list) else [argument]:
            if each.value == "b":
                raise ValueError

    scripted.script.append(follow)

    worker.handle("a", "b", "c")

    assert effects() == ["0:a", "2:c"]
    assert stored() == 3
    assert worker.counts.read().skipped == 1


@pytest.mark.parametrize("options", SHAPES)
def test_stop_keeps_what_came_before_and_nothing_of_the_message(settings, options):
    worker = Worker(settings, on_failure="stop", **options)

    def follow(argument):
        write_effect(argument)
        for each in argument if isinstance(argument, list) else [argument]:
            if each.value == "b":
                raise ValueError

    scripted.script.append(follow)

    with pytest.raises(ConsumerStoppedError):
        worker.handle("a", "b", "c")

    assert effects() == ["0:a"]
    assert stored() == 1


def test_a_dead_letter_and_its_offset_commit_together(settings):
    worker = Worker(settings, on_failure="dead_letter")
    scripted.script.append(lambda message: 1 / 0)

    worker.handle("a")

    assert DeadLetter.objects.get().offset == 0
    assert stored() == 1


def test_a_fenced_worker_parks_nothing(settings):
    old = Worker(settings, on_failure="dead_letter")
    Worker(settings)
    scripted.script.append(lambda message: 1 / 0)

    remainder = old.handle("a")

    assert remainder.reclaim
    assert not DeadLetter.objects.exists()
    assert stored() == 0


@pytest.mark.parametrize("options", SHAPES)
def test_a_swallowed_database_error_fails_the_message(settings, options):
    worker = Worker(settings, on_failure="skip", **options)

    def follow(argument):
        for each in argument if isinstance(argument, list) else [argument]:
            write_effect(each)
            if each.value == "b":
                swallow_a_database_error()

    scripted.script.append(follow)

    worker.handle("a", "b", "c")

    assert effects() == ["0:a", "2:c"]
    assert worker.counts.read().skipped == 1


def test_an_outage_that_is_over_is_not_the_cause_of_what_a_handler_swallows(settings):
    worker = Worker(settings, on_failure="skip")
    # As it stays there after an outage in the middle of a transaction.
    connection.rollback_exc = BrokerUnavailableError("long over")
    scripted.script.append(lambda _: swallow_a_database_error())

    worker.handle("a")

    assert worker.counts.read().skipped == 1
    assert worker.partition.setbacks.in_a_row == 0


def test_a_swallowed_database_error_fails_the_message_where_kafka_keeps_the_offsets_too():
    write("a", "b", "c")

    def follow(message):
        write_effect(message)
        if message.value == "b":
            swallow_a_database_error()

    scripted.script.append(follow)

    loop = consume(deduplicate=True, on_failure="skip")

    assert effects() == ["0:a", "2:c"]
    assert loop.counts.read().skipped == 1
    assert committed() == 3


def swallow_a_database_error():
    try:
        with transaction.atomic(savepoint=False), connection.cursor() as cursor:
            cursor.execute("SELECT * FROM there_is_no_such_table")
    except DatabaseError:
        pass


@pytest.mark.server_database  # Django closes no SQLite database that is in memory
@pytest.mark.parametrize("options", [*SHAPES, pytest.param({"deduplicate": True}, id="repeats recognised")])
def test_a_handler_that_closes_its_connection_has_failed_and_is_told_why(settings, options):
    worker = Worker(settings, on_failure="dead_letter", **options)

    def close(argument):
        write_effect(argument)
        connection.close()

    scripted.script.append(close)

    worker.handle("a")

    assert effects() == []
    assert stored() == 1
    assert DeadLetter.objects.get().reason.startswith("the handler closed its database connection")


@pytest.mark.server_database  # Django closes no SQLite database that is in memory
def test_a_handler_that_replaces_its_connection_still_decides_by_what_it_raises(settings, caplog):
    worker = Worker(settings, on_failure="dead_letter")

    def replace_and_skip(argument):
        connection.close()
        connection.connect()
        raise Skip("not ours")

    scripted.script.append(replace_and_skip)

    worker.handle("a")

    assert "skipped: not ours" in caplog.text
    assert not DeadLetter.objects.exists()


@pytest.mark.server_database  # Django closes no SQLite database that is in memory
def test_a_handler_that_goes_on_after_closing_its_connection_is_told_why_it_waits(settings, caplog):
    worker = Worker(settings, on_failure="skip")

    def close_and_write(argument):
        connection.close()
        write_effect(argument)

    scripted.script.append(close_and_write)

    worker.handle("a")

    # PostgreSQL's driver can't say whether the server is gone: that is waited for, but not for ever.
    assert "the handler closed its database connection" in caplog.text


def test_a_constraint_that_fails_at_commit_is_the_messages_failure(settings):
    worker = Worker(settings, on_failure="skip")

    def follow(message):
        write_effect(message)
        if message.value == "a":
            # Django's foreign keys are checked at COMMIT, on PostgreSQL and on SQLite.
            Permission.objects.create(name="p", codename="p", content_type_id=987654)

    scripted.script.append(follow)

    worker.handle("a", "b")

    assert effects() == ["1:b"]
    assert stored() == 2
    assert worker.counts.read().skipped == 1


def test_a_batch_error_keeps_the_effects_of_the_others(settings):
    worker = Worker(settings, on_failure="skip", message_handler=BATCH)

    def follow(messages):
        bad = [each for each in messages if each.value == "b"]
        write_effect([each for each in messages if each not in bad])
        raise BatchError({each: ValueError() for each in bad})

    scripted.script.append(follow)

    worker.handle("a", "b", "c")

    assert effects() == ["0:a", "2:c"]
    assert [len(batch) for batch in scripted.batches] == [3]
    assert stored() == 3


def test_a_batch_with_a_retry_is_done_again_as_a_whole(settings):
    worker = Worker(
        settings, message_handler=BATCH, retry={"attempts": 2, "backoff_seconds": 0, "max_backoff_seconds": 0}
    )

    def follow(messages):
        write_effect(messages)
        bad = {each: ValueError() for each in messages if each.value == "b" and each.attempt == 1}
        if bad:
            raise BatchError(bad)

    scripted.script.append(follow)

    worker.handle("a", "b", "c")

    assert effects() == ["0:a", "1:b", "2:c"]
    assert [[each.attempt for each in batch] for batch in scripted.batches] == [[1, 1, 1], [1, 2, 1]]


def test_a_batch_error_of_a_handler_of_single_messages_is_an_error_like_any_other(settings):
    worker = Worker(settings, transaction="batch", on_failure="skip")

    def follow(message):
        write_effect(message)
        if message.value == "b":
            raise BatchError({message: ValueError()})

    scripted.script.append(follow)

    worker.handle("a", "b", "c", "d")

    assert effects() == ["0:a", "2:c", "3:d"]
    assert stored() == 4


def test_a_retry_waits_whatever_was_finished_before(settings):
    worker = Worker(settings, retry={"attempts": 3})

    def follow(message):
        if message.value == "b":
            raise Retry(60)

    scripted.script.append(follow)
    worker.handle("a")

    remainder = worker.work.handle(worker.partition, Chunk(messages=[message("b", 1)]))

    assert remainder.delay_seconds == 60
    assert [each.attempt for each in scripted.seen if each.value == "b"] == [1]


def test_after_a_commit_in_doubt_nothing_is_done_before_the_next_claim(settings, monkeypatch):
    worker = Worker(settings)
    scripted.script.append(write_effect)
    worker.handle("a")

    def lose_the_answer(*arguments, **options):
        raise BrokerUnavailableError("gone", retriable=True)

    monkeypatch.setattr(OffsetStore, "save", lose_the_answer)

    remainder = worker.work.handle(worker.partition, Chunk(messages=[message("b", 1)]))

    assert remainder.reclaim
    assert [each.value for each in scripted.seen] == ["a", "b"]


def test_a_dead_letter_whose_commit_is_in_doubt_waits_for_the_next_claim(settings, monkeypatch):
    worker = Worker(settings, on_failure="dead_letter")
    scripted.script.append(lambda message: 1 / 0)

    class ServerDown(Exception):  # noqa: N818 - a driver's
        sqlstate = "57P01"

    def lose_the_answer(*arguments, **options):
        raise OperationalError from ServerDown()

    monkeypatch.setattr(OffsetStore, "save", lose_the_answer)

    remainder = worker.handle("a")

    assert remainder.reclaim
    assert not DeadLetter.objects.exists()


def test_no_commit_is_refused_where_the_transaction_saves_the_offset(settings):
    worker = Worker(settings, on_failure="stop")
    scripted.script.append(lambda message: NO_COMMIT)

    with pytest.raises(ConsumerStoppedError, match="saved in the transaction"):
        worker.handle("a")

    assert stored() == 0


def test_a_repeat_takes_effect_once(settings):
    headers = [("ce_source", b"shop"), ("ce_id", b"1")]
    worker = Worker(settings, deduplicate=True)
    scripted.script.append(write_effect)

    for offset in (0, 1):
        worker.work.handle(worker.partition, Chunk(messages=[message("a", offset, headers)]))

    assert effects() == ["0:a"]
    assert stored() == 2
    assert worker.counts.read().repeated == 1


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_a_repeat_of_a_dead_letter_is_left_to_its_replay(settings, offset_storage):
    """The relay sent it again, or the offset was not committed: two effects if both were handled in the end."""
    headers = [("ce_source", b"shop"), ("ce_id", b"1")]
    options = {"deduplicate": True, "retry": {"attempts": 1}, "on_failure": "dead_letter"}
    worker = Worker(settings, offset_storage=offset_storage, **options)
    scripted.script.append(lambda each: 1 / 0 if each.offset == 0 else write_effect(each))

    for offset in (0, 1):
        worker.work.handle(worker.partition, Chunk(messages=[message("a", offset, headers)]))

    assert effects() == []
    assert DeadLetter.objects.get().offset == 0
    assert worker.counts.read().repeated == 1


def test_a_failed_attempt_is_not_remembered_as_handled(settings):
    worker = Worker(settings, deduplicate=True, retry={"attempts": 2, "backoff_seconds": 0, "max_backoff_seconds": 0})
    scripted.script.append(lambda each: 1 / 0 if each.attempt == 1 else write_effect(each))

    worker.handle("a")

    assert effects() == ["0:a"]


def test_an_async_handler_writes_in_the_lanes_transaction(settings):
    old = Worker(settings, message_handler="tests.unit.async_effects.handle")
    new = Worker(settings, message_handler="tests.unit.async_effects.handle")

    old.handle("fenced")
    new.handle("kept")

    assert effects() == ["kept"]

"""What ``transaction.on_commit`` hooks of a handler raise: its transaction is committed by then, and stays handled."""

from __future__ import annotations

import asyncio

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from kafka_integration.models import DeadLetter
from tests.unit import scripted
from tests.unit.consumers import committed, consume, write
from tests.unit.effects import BATCH, Worker, effects, stored, write_effect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]

DATABASE = {"offset_storage": "database"}
REMEMBERING = {"deduplicate": True}
MODES = pytest.mark.parametrize(
    "mode",
    [
        pytest.param(DATABASE, id="a transaction a message"),
        pytest.param({**DATABASE, "transaction": "batch"}, id="a transaction a batch"),
        pytest.param({**DATABASE, "message_handler": BATCH}, id="a batch handler"),
        pytest.param(REMEMBERING, id="offsets in Kafka"),
        pytest.param({**REMEMBERING, "message_handler": BATCH}, id="offsets in Kafka, a batch handler"),
    ],
)


class ServerDown(Exception):  # noqa: N818 - a driver's
    sqlstate = "57P01"


def write_and_hook(*hooks, at="b", robust=False):
    """A handler that writes, and registers these hooks with the message of value ``at``."""

    def follow(argument):
        write_effect(argument)
        for each in argument if isinstance(argument, list) else [argument]:
            if each.value == at:
                for hook in hooks:
                    transaction.on_commit(hook, robust=robust)

    scripted.script[:] = [follow]


def raising(error):
    def hook():
        raise error

    return hook


def values():
    return [message.value for message in scripted.seen]


@MODES
@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize(
    "error",
    [ValueError("4111 1111"), OperationalError(ServerDown()), asyncio.CancelledError()],
    ids=["a failure", "an outage", "a cancellation"],
)
def test_a_message_whose_hook_fails_is_handled_and_is_neither_parked_nor_repeated(mode, attempts, error, caplog):
    write("a", "b", "c")
    write_and_hook(raising(error))

    loop = consume(on_failure="dead_letter", retry={"attempts": attempts, "backoff_seconds": 0.01}, **mode)

    assert effects() == ["0:a", "1:b", "2:c"]
    assert values() == ["a", "b", "c"]
    assert not DeadLetter.objects.exists()
    assert committed() == 3
    tally = loop.counts.read()
    assert (tally.handled, tally.failed, tally.parked, tally.failed_hooks) == (3, 0, 0, 1)
    assert "one of its on_commit hooks failed" in caplog.text
    assert "4111" not in caplog.text
    assert "1 failed on_commit hook" in caplog.text


@MODES
def test_hooks_behind_one_that_fails_do_not_run(mode):
    ran = []
    write("a", "b")
    write_and_hook(lambda: ran.append(1), raising(ValueError()), lambda: ran.append(3))

    consume(**mode)

    assert ran == [1]
    assert effects() == ["0:a", "1:b"]


@MODES
def test_robust_hooks_fail_each_by_itself(mode):
    ran = []
    write("a", "b")
    write_and_hook(raising(ValueError()), lambda: ran.append(2), robust=True)

    loop = consume(**mode)

    assert ran == [2]
    assert effects() == ["0:a", "1:b"]
    assert loop.counts.read().failed_hooks == 0


@MODES
def test_a_hook_has_the_database_after_the_commit(mode):
    write("a", "b", "c")

    def write_twice():
        Group.objects.create(name="of the hook")
        Group.objects.create(name="of the hook")

    write_and_hook(write_twice)

    loop = consume(**mode)

    assert sorted(effects()) == ["0:a", "1:b", "2:c", "of the hook"]
    assert loop.counts.read().failed_hooks == 1
    assert loop.fault is None


@MODES
def test_a_hook_that_drops_the_connection_costs_nothing(mode):
    write("a", "b", "c")

    def drop():
        connection.close()
        raise ValueError

    write_and_hook(drop)

    loop = consume(**mode)

    assert effects() == ["0:a", "1:b", "2:c"]
    assert loop.counts.read().handled == 3


@MODES
def test_what_a_hook_raises_that_is_no_exception_ends_no_process(mode):
    write("a", "b", "c")
    write_and_hook(raising(BaseException()))

    loop = consume(**mode)

    assert loop.fault is None
    assert effects() == ["0:a", "1:b", "2:c"]


@MODES
@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt])
def test_a_hook_that_ends_the_process_does_so_with_its_message_committed(mode, end):
    write("a", "b", "c")
    write_and_hook(raising(end()))

    first = consume(**mode)
    before = committed()
    scripted.script[:] = [write_effect]
    second = consume(**mode)

    assert isinstance(first.fault, end)
    assert before >= 2
    assert second.fault is None
    assert effects() == ["0:a", "1:b", "2:c"]
    assert values() == ["a", "b", "c"]


def test_a_hook_of_a_transaction_on_the_way_is_part_of_handling():
    """Its COMMIT is the handler's own, not the one that is known to us."""
    write("a")

    def follow(message):
        with transaction.atomic():
            write_effect(message)
            transaction.on_commit(raising(ValueError()))

    scripted.script[:] = [follow]

    loop = consume(on_failure="dead_letter")

    assert loop.counts.read().parked == 1


def test_no_hook_runs_where_the_commit_fails(settings):
    ran = []
    worker = Worker(settings, on_failure="skip")

    def follow(message):
        transaction.on_commit(lambda: ran.append(1))
        # Django's foreign keys are checked at COMMIT, on PostgreSQL and on SQLite.
        Permission.objects.create(name="p", codename="p", content_type_id=987654)

    scripted.script[:] = [follow]

    worker.handle("a")

    assert ran == []
    assert worker.counts.read().skipped == 1


def test_a_commit_whose_answer_is_lost_stays_in_doubt_whatever_hooks_there_are(settings, monkeypatch):
    worker = Worker(settings)
    write_and_hook(raising(ValueError()), at="a")
    commit = BaseDatabaseWrapper.commit

    def lose_the_answer(self):
        commit(self)
        self.run_commit_hooks_on_set_autocommit_on = False
        raise OperationalError from ServerDown()

    monkeypatch.setattr(BaseDatabaseWrapper, "commit", lose_the_answer)
    remainder = worker.handle("a")
    monkeypatch.undo()

    assert remainder.reclaim
    assert worker.counts.read().handled == 0
    assert worker.claim() == stored() == 1


def test_a_violated_constraint_in_a_hook_is_no_failure_of_the_message(settings):
    worker = Worker(settings, on_failure="stop")
    write_and_hook(raising(IntegrityError()), at="a")

    worker.handle("a", "b")

    assert effects() == ["0:a", "1:b"]
    assert stored() == 2

"""Outages and conflicts, however a handler passes them on: they are waited for, and use no attempt."""

from __future__ import annotations

import sqlite3

import pytest
from django.db import InterfaceError, OperationalError, connection, connections

from kafka_integration import BatchError, Reject, Retry, Skip
from kafka_integration.consuming.failing.outages import is_conflict, is_outage, is_setback, refuses_work
from kafka_integration.dead_letters.redaction import describe
from kafka_integration.errors import BrokerUnavailableError
from kafka_integration.models import DeadLetter
from tests.unit import scripted
from tests.unit.consumers import committed, consume, write

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]

BATCH = "tests.unit.scripted.Batch"
PARKING = {"on_failure": "dead_letter", "retry": {"attempts": 2, "backoff_seconds": 0.01}}
STORAGES = pytest.mark.parametrize("storage", ["kafka", "database"])


DRIVERS = pytest.mark.parametrize("name", ["sqlstate", "pgcode"], ids=["psycopg", "psycopg2"])


class DriverError(Exception):
    pass


def failing(sqlstate, name="sqlstate"):
    error = OperationalError("no")
    error.__cause__ = DriverError()
    setattr(error.__cause__, name, sqlstate)
    return error


def away():
    """What Django makes of a server that is shut down."""
    return failing("57P01")


def attempts():
    return {message.attempt for message in scripted.seen}


@DRIVERS
@pytest.mark.parametrize("sqlstate", ["08006", "57P01", "57P02", "57P03", "57P05", "53100", "53300", "25006"])
def test_the_codes_of_an_outage(sqlstate, name):
    assert is_outage(failing(sqlstate, name))
    assert not is_conflict(failing(sqlstate, name))


@DRIVERS
@pytest.mark.parametrize("sqlstate", ["57P03", "53100", "53300", "25006"])
def test_the_codes_of_a_server_that_takes_no_work(sqlstate, name):
    assert refuses_work(failing(sqlstate, name))


def full(connection):
    connection.execute("PRAGMA max_page_count = 1")
    connection.execute("INSERT INTO t VALUES (zeroblob(100000))")


def read_only(connection):
    connection.execute("PRAGMA query_only = ON")
    connection.execute("INSERT INTO t VALUES (1)")


@pytest.mark.parametrize("refuse", [full, read_only])
def test_an_sqlite_that_is_full_or_read_only_is_an_outage_for_as_long_as_it_lasts(refuse):
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (x)")

    with pytest.raises(sqlite3.OperationalError) as raised:
        refuse(connection)

    assert is_outage(raised.value)
    assert refuses_work(raised.value)
    connection.close()


@DRIVERS
@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "55P03"])
def test_the_codes_of_a_conflict(sqlstate, name):
    assert is_conflict(failing(sqlstate, name))
    assert not is_outage(failing(sqlstate, name))


@DRIVERS
@pytest.mark.parametrize("sqlstate", ["22003", "23505", "54001", "57014", "25P02", "25P03"])
def test_codes_that_are_the_messages_own(sqlstate, name):
    assert not is_setback(failing(sqlstate, name))


@DRIVERS
def test_a_dead_letter_has_the_code_whatever_the_driver(name):
    assert describe(failing("22003", name)).reason == "SQLSTATE 22003"


@pytest.mark.server_database
@pytest.mark.parametrize("storage", ["kafka", "database"])
def test_what_a_driver_refuses_by_itself_is_no_outage(storage):
    write("a")

    def bind_too_much(message):
        from django.db.backends.postgresql.base import ServerBindingCursor  # SQLite has none

        with connection.cursor() as cursor:
            # As with "server_side_binding": libpq counts in 16 bits, and the server hears nothing of it.
            cursor.cursor = ServerBindingCursor(connection.connection)
            cursor.execute(f"SELECT {' + '.join(['%s'] * 70_000)}", [1] * 70_000)

    scripted.script.append(bind_too_much)

    consume(offset_storage=storage, on_failure="dead_letter", retry={"attempts": 1})

    assert len(scripted.seen) == 1
    assert DeadLetter.objects.get().attempts == 1


def in_a_group():
    raise ExceptionGroup("tasks", [ValueError("an own fault"), away()])


def while_handled():
    try:
        raise away()
    except OperationalError:
        raise RuntimeError("the service has failed")  # noqa: B904 - as many write it


def on_purpose():
    try:
        raise away()
    except OperationalError as error:
        raise RuntimeError("the service has failed") from error


@pytest.mark.parametrize("fail", [in_a_group, while_handled, on_purpose])
def test_an_outage_is_recognised_behind_another_exception(fail):
    write("a")
    scripted.script.append(lambda message: fail() if len(scripted.seen) <= 3 else None)

    consume(**PARKING)

    assert len(scripted.seen) == 4
    assert attempts() == {1}
    assert not DeadLetter.objects.exists()


def test_what_hides_its_cause_is_its_own():
    write("a")

    def follow(message):
        try:
            raise away()
        except OperationalError:
            raise RuntimeError from None

    scripted.script.append(follow)

    consume(**PARKING)

    assert DeadLetter.objects.get().attempts == 2


def test_a_long_outage_is_a_line_less_and_less_often(caplog):
    write("a")

    def starting_up(message):
        if len(scripted.seen) <= 20:
            raise failing("57P03")

    scripted.script.append(starting_up)

    consume(**PARKING)

    assert attempts() == {1}
    # The first, the second, the fourth, the eighth and the sixteenth.
    assert caplog.text.count("for what its handler needs") == 5


@STORAGES
@pytest.mark.parametrize("sqlstate", ["57P01", "40P01"])
def test_an_outage_that_a_batch_error_names_uses_no_attempt(storage, sqlstate):
    write(*"abcd")

    def follow(messages):
        if len(scripted.batches) <= 4:
            raise BatchError({message: failing(sqlstate) for message in messages})

    scripted.script.append(follow)

    consume(message_handler=BATCH, offset_storage=storage, **PARKING)

    assert attempts() == {1}
    assert not DeadLetter.objects.exists()


def test_beside_an_outage_what_failed_by_itself_is_parked():
    write(*"abc")

    def follow(messages):
        failed = {m: ValueError() for m in messages if m.value == "b"}
        failed |= {m: away() for m in messages if m.value == "c" and len(scripted.batches) <= 3}
        raise BatchError(failed)

    scripted.script.append(follow)

    loop = consume(message_handler=BATCH, **PARKING)

    assert [(letter.offset, letter.attempts) for letter in DeadLetter.objects.all()] == [(1, 2)]
    assert loop.counts.read().handled == 2


@STORAGES
def test_a_batch_that_always_breaks_its_connection_is_to_blame_in_the_end(storage):
    write(*"ab")

    def follow(messages):
        if failed := {message: away() for message in messages if message.value == "a"}:
            raise BatchError(failed)

    scripted.script.append(follow)

    consume(message_handler=BATCH, offset_storage=storage, **PARKING)

    assert DeadLetter.objects.get().offset == 0
    assert committed() == 2


@STORAGES
@pytest.mark.parametrize("error", [away(), BrokerUnavailableError("away")], ids=["database", "broker"])
def test_a_batch_that_met_an_outage_is_tried_with_one_message_and_then_with_twice_as_many(storage, error):
    write(*"abcdefghij")

    def follow(messages):
        if len(scripted.batches) <= 3:
            raise error

    scripted.script.append(follow)

    consume(message_handler=BATCH, offset_storage=storage, **PARKING)

    assert [len(messages) for messages in scripted.batches] == [10, 1, 1, 1, 2, 4, 3]
    assert "".join(message.value for messages in scripted.batches[3:] for message in messages) == "abcdefghij"
    assert attempts() == {1}


@STORAGES
def test_a_batch_that_met_a_conflict_is_done_again_as_it_was(storage):
    write(*"abcd")

    def follow(messages):
        if len(scripted.batches) <= 2:
            raise failing("40P01")

    scripted.script.append(follow)

    consume(message_handler=BATCH, offset_storage=storage, **PARKING)

    assert [len(messages) for messages in scripted.batches] == [4, 4, 4]


def test_a_half_of_a_batch_that_meets_an_outage_is_tried_with_one_message_too():
    write(*"abcdefgh")

    def follow(messages):
        if len(scripted.batches) == 1:
            raise ValueError
        if len(scripted.batches) == 2:
            raise away()

    scripted.script.append(follow)

    consume(message_handler=BATCH, **PARKING)

    assert [len(messages) for messages in scripted.batches] == [8, 4, 1, 2, 1, 4]


@pytest.mark.parametrize("decision", [Skip("locked"), Reject("locked"), Retry(0.01)])
def test_what_a_handler_decides_because_of_a_lock_is_done(decision):
    write("a")

    def follow(message):
        try:
            raise failing("55P03")
        except OperationalError as error:
            raise decision from error

    scripted.script.append(follow)

    loop = consume(**PARKING)

    counts = loop.counts.read()
    assert len(scripted.seen) == (2 if isinstance(decision, Retry) else 1)
    assert (counts.skipped, counts.parked) == ((1, 0) if isinstance(decision, Skip) else (0, 1))


@pytest.fixture
def another_database_is_down(monkeypatch):
    nowhere = {
        **connections.settings["default"],
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "127.0.0.1",
        "PORT": "1",
        "OPTIONS": {},
    }
    monkeypatch.setitem(connections.settings, "another", nowhere)


@pytest.mark.usefixtures("another_database_is_down")
def test_a_database_that_the_handler_does_not_use_is_not_waited_for():
    write("a")
    scripted.script.append(fail_once_with(away()))

    consume(**PARKING)

    assert len(scripted.seen) == 2


@pytest.mark.usefixtures("another_database_is_down")
def test_a_database_that_the_handler_does_not_use_excuses_no_failure():
    write("a")
    scripted.script.append(lambda message: (_ for _ in ()).throw(InterfaceError("of some other kind")))

    consume(**PARKING)

    assert DeadLetter.objects.get().attempts == 2


def fail_once_with(error):
    def follow(message):
        if len(scripted.seen) == 1:
            raise error

    return follow

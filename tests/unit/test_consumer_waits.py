"""How long a partition waits for what its handler needs, for which database, and what it gets to work with."""

from __future__ import annotations

from contextlib import suppress
from time import monotonic

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from kafka_integration.conf.consumers import RetryPolicy
from kafka_integration.consuming.failing import failure_policy
from kafka_integration.consuming.failing.failure_policy import FailurePolicy
from kafka_integration.consuming.lanes import fresh_connections
from kafka_integration.dead_letters.parking import DeadLetters
from kafka_integration.models import DeadLetter
from tests.unit import scripted
from tests.unit.consumers import consume, running, write
from tests.unit.test_consumer_setbacks import failing
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]

STORAGES = pytest.mark.parametrize("storage", ["kafka", "database"])
AT_ONCE = {"attempts": 1, "backoff_seconds": 0, "max_backoff_seconds": 0}


@pytest.fixture
def floors(memory_transport, monkeypatch):
    """The bounds as users have them."""
    monkeypatch.setattr(failure_policy, "FLOOR_SECONDS", 1.0)


@pytest.fixture
def nowhere(monkeypatch):
    """The alias of a database at which nobody listens."""
    settings = {**connections.settings["default"], "ENGINE": "django.db.backends.postgresql", "OPTIONS": {}}
    monkeypatch.setitem(connections.settings, "nowhere", {**settings, "HOST": "127.0.0.1", "PORT": "1"})
    forbidding = BaseDatabaseWrapper.ensure_connection

    def ensure_connection(wrapper):
        if wrapper.alias != "nowhere":
            return forbidding(wrapper)
        with wrapper.wrap_database_errors:
            return wrapper.connect()

    # Tests may open none but those that the project has.
    monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", ensure_connection)
    return "nowhere"


def ask(alias):
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1")


def policy(seconds):
    retry = RetryPolicy(attempts=1, backoff_seconds=seconds, backoff_factor=2, max_backoff_seconds=seconds)
    return FailurePolicy(retry=retry, on_failure="dead_letter", rules={}, jitter=lambda: 0.0)


@pytest.mark.usefixtures("floors")
def test_without_pauses_between_attempts_outages_and_conflicts_are_waited_for_all_the_same():
    waits = policy(0)

    assert sum(waits.conflict_seconds(count) for count in range(1, 11)) > 3
    assert sum(waits.outage_seconds(count) for count in range(1, 11)) > 3
    assert waits.outage_seconds(1000) == 0.5


def test_with_pauses_of_hours_an_outage_that_is_over_is_not_waited_for():
    waits = policy(3600)

    assert waits.conflict_seconds(3) == waits.outage_seconds(3) == 60


@STORAGES
@pytest.mark.usefixtures("floors")
def test_a_conflict_that_takes_a_second_makes_no_dead_letter(storage):
    write("a")
    until = monotonic() + 1

    def meet(message):
        if monotonic() < until:
            raise failing("55P03")

    scripted.script.append(meet)

    consume(offset_storage=storage, on_failure="dead_letter", retry=AT_ONCE)

    assert not DeadLetter.objects.exists()
    assert len(scripted.seen) < 12


@STORAGES
@pytest.mark.usefixtures("floors")
def test_a_server_that_takes_no_writes_is_not_asked_without_pause(storage):
    write("a")
    tried_at = []

    def refuse(message):
        tried_at.append(monotonic())
        raise failing("25006")

    scripted.script.append(refuse)

    with running(offset_storage=storage, retry=AT_ONCE):
        wait_for(lambda: len(tried_at) > 1, 20)

    assert tried_at[1] - tried_at[0] > 0.04


@STORAGES
@pytest.mark.usefixtures("floors")
def test_a_dead_letter_that_can_not_be_written_is_not_tried_without_pause(storage, monkeypatch, caplog):
    write("a")
    scripted.fail_on("a")

    def refuse(*arguments):
        raise ValueError("no room")

    monkeypatch.setattr(DeadLetters, "park", refuse)

    def tried_at():
        return [each.created for each in caplog.records if "can't be written as a dead letter" in each.getMessage()]

    with running(offset_storage=storage, on_failure="dead_letter", retry=AT_ONCE):
        wait_for(lambda: len(tried_at()) > 1, 20)

    first, second, *_ = tried_at()
    assert second - first > 0.04


@STORAGES
def test_a_conflict_does_not_wait_for_another_database_whose_error_was_swallowed(storage, nowhere):
    write("a")

    def do_without(message):
        with suppress(OperationalError):
            ask(nowhere)
        if len(scripted.seen) == 1:
            raise failing("40001")

    scripted.script.append(do_without)

    with running(offset_storage=storage):
        wait_for(lambda: len(scripted.seen) == 2)


@STORAGES
def test_an_outage_of_one_database_does_not_wait_for_another_whose_error_was_swallowed(storage, nowhere):
    write("a")

    def do_without(message):
        with suppress(OperationalError):
            ask(nowhere)
        if len(scripted.seen) == 1:
            fail_at_default()

    scripted.script.append(do_without)

    with running(offset_storage=storage):
        wait_for(lambda: len(scripted.seen) == 2)


def fail_at_default():
    def lose(execute, sql, params, many, context):
        raise failing("57P01")

    with connection.execute_wrapper(lose):
        ask("default")


@STORAGES
def test_a_database_whose_error_it_was_is_waited_for_and_named(storage, nowhere, caplog):
    write("a")
    scripted.script.append(lambda message: ask(nowhere))

    with running(offset_storage=storage, on_failure="dead_letter"):
        wait_for(lambda: 'events[0] waits for database "nowhere", which does not answer' in caplog.text)

    assert len(scripted.seen) == 1


@pytest.mark.server_database
@STORAGES
def test_a_connection_that_died_while_it_was_idle_is_not_the_handlers_to_find(storage, monkeypatch):
    monkeypatch.setattr(fresh_connections, "IDLE_SECONDS", 0.0)
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", None)
    backends = []

    def use(message):
        Group.objects.create(name=message.value)
        backends.append(connection.connection.info.backend_pid)

    scripted.script.append(use)
    write("a")
    with running(offset_storage=storage):
        wait_for(lambda: Group.objects.count() == 1)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backends[0]])

        write("b")

        wait_for(lambda: Group.objects.count() == 2)
    assert [message.value for message in scripted.seen] == ["a", "b"]
    assert backends[0] != backends[1]


def test_what_was_probed_just_now_is_not_probed_again(monkeypatch):
    probes = []
    monkeypatch.setattr(fresh_connections, "close_dead_connections", lambda: probes.append(1))
    write(*"abcdef")

    consume(batch_size=1)

    assert len(scripted.seen) == 6
    assert len(probes) <= 1

"""Handlers that begin a transaction themselves and leave it open: nothing of theirs or ours may be lost with it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group
from django.db import connection, connections, transaction

from kafka_integration import BatchError
from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import assemble
from kafka_integration.consuming.handling.left_open import is_left_open
from kafka_integration.consuming.partition import Partition
from kafka_integration.models import DeadLetter
from tests.dead_letters import make_letter
from tests.unit import scripted
from tests.unit.consumers import committed, consume, consumer_settings, write
from tests.unit.test_consumer_commit_hooks import MODES

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]

SHAPES = pytest.mark.parametrize("handler", ["tests.unit.scripted.handle", "tests.unit.scripted.Batch"])


def turn_autocommit_off():
    transaction.set_autocommit(False)


def send_begin():
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")


def enter_a_block():
    _blocks.append(transaction.atomic())
    _blocks[-1].__enter__()


_blocks = []
"""Those entered; they stay alive, as a block of a generator does that somebody holds."""

BEGINNINGS = pytest.mark.parametrize("begin", [turn_autocommit_off, send_begin, enter_a_block])


def values_of(argument):
    return [each.value for each in argument] if isinstance(argument, list) else [argument.value]


def effects():
    return list(Group.objects.order_by("id").values_list("name", flat=True))


@BEGINNINGS
@SHAPES
def test_a_message_whose_effects_were_never_committed_is_not_handled(memory_transport, handler, begin):
    memory_transport.create_topic("events")

    def follow(argument):
        if values_of(argument) == ["a"]:
            begin()
        for value in values_of(argument):
            Group.objects.create(name=value)

    scripted.script.append(follow)
    write("a", "b")

    consume(message_handler=handler, batch_size=1, on_failure="dead_letter")

    (letter,) = DeadLetter.objects.all()
    assert letter.offset == 0
    assert letter.reason.startswith(f'{handler} returned with a transaction open in database "default"')
    assert effects() == ["b"]
    assert committed() == 2


@BEGINNINGS
@SHAPES
def test_a_dead_letter_is_not_written_into_the_transaction_that_its_handler_left_open(memory_transport, handler, begin):
    memory_transport.create_topic("events")

    def follow(argument):
        if values_of(argument) == ["a"]:
            begin()
            Group.objects.create(name="a")
            raise ValueError
        Group.objects.create(name="b")

    scripted.script.append(follow)
    write("a", "b")

    consume(message_handler=handler, batch_size=1, on_failure="dead_letter")

    assert DeadLetter.objects.get().offset == 0
    assert effects() == ["b"]
    assert committed() == 2


@pytest.mark.parametrize("mode", [*MODES.args[1], pytest.param({}, id="no transaction of ours")])
@pytest.mark.parametrize("fails_at", ["", "b", "c"])
def test_what_a_handler_did_in_a_block_that_it_never_left_is_not_taken_for_committed(mode, fails_at):
    write("a", "b", "c", "d")

    def follow(argument):
        for value in values_of(argument):
            if value == "b":
                enter_a_block()
            if value in fails_at:
                raise ValueError
            Group.objects.create(name=value)

    scripted.script.append(follow)

    loop = consume(on_failure="dead_letter", **mode)

    parked = {"b", *fails_at}
    assert effects() == [value for value in "abcd" if value not in parked]
    assert {bytes(letter.value).decode() for letter in DeadLetter.objects.all()} == parked
    assert loop.counts.read().handled == 4 - len(parked)
    assert committed() == 4


def test_no_message_of_a_batch_counts_as_handled_whose_effects_are_rolled_back():
    write("a", "b")

    def follow(messages):
        if len(messages) == 2:
            enter_a_block()
            Group.objects.create(name="a")
            raise BatchError({messages[1]: ValueError()})
        Group.objects.create(name=messages[0].value)

    scripted.script.append(follow)

    consume(message_handler="tests.unit.scripted.Batch", on_failure="dead_letter")

    assert effects() == ["a", "b"]


def test_what_ends_the_process_leaves_nothing_open_either():
    write("a")

    def follow(_):
        enter_a_block()
        raise SystemExit

    scripted.script.append(follow)

    consume()

    assert committed() in (None, 0)


@BEGINNINGS
def test_a_replay_that_leaves_a_transaction_open_stays_parked(memory_transport, settings, begin):
    memory_transport.create_topic("events")
    settings.KAFKA = consumer_settings()
    partition = Partition("events", 0)
    partition.start.place()
    letter = make_letter(consumer="c", group="group", topic="events", state=DeadLetter.State.REPLAY)

    def follow(_):
        begin()
        Group.objects.create(name="effect")

    scripted.script.append(follow)

    assemble(get_settings().consumers["c"]).make_tasks().next([partition]).run()

    connection.close()
    letter.refresh_from_db()
    assert letter.state == DeadLetter.State.PARKED
    assert letter.exception.endswith("HandlerError")
    assert effects() == []


def test_a_connection_that_died_is_no_transaction_left_open():
    dead = SimpleNamespace(info=SimpleNamespace(transaction_status=4))

    wrapper = SimpleNamespace(connection=dead, in_atomic_block=False, autocommit=True, vendor="postgresql")

    assert not is_left_open(wrapper, 0)


@pytest.mark.parametrize("engine", ["django.db.backends.no_such_driver", "django.db.backends.oracle"])
def test_a_database_whose_driver_is_not_installed_here_is_nobodys_business(memory_transport, monkeypatch, engine):
    memory_transport.create_topic("events")
    elsewhere = {**connections.settings["default"], "ENGINE": engine}
    monkeypatch.setitem(connections.settings, "elsewhere", elsewhere)
    write("a")

    loop = consume()

    assert loop.fault is None
    assert loop.counts.read().handled == 1


def test_a_handler_that_ends_its_own_transaction_is_left_alone(memory_transport):
    memory_transport.create_topic("events")

    def follow(message):
        transaction.set_autocommit(False)
        try:
            Group.objects.create(name=message.value)
            transaction.commit()
        finally:
            transaction.set_autocommit(True)

    scripted.script.append(follow)
    write("a", "b")

    loop = consume()

    assert loop.counts.read().handled == 2
    assert effects() == ["a", "b"]


@pytest.mark.parametrize("options", [{"offset_storage": "database"}, {"deduplicate": True}])
def test_a_durable_block_is_refused_where_the_transaction_is_the_consumers(options):
    write("a")

    def ask_for_a_commit(message):
        with transaction.atomic(durable=True):
            pass

    scripted.script.append(ask_for_a_commit)

    consume(on_failure="dead_letter", **options)

    assert DeadLetter.objects.get().exception == "builtins.RuntimeError"

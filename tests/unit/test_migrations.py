"""Migrations hold up nobody who publishes or fails meanwhile, and one that was stopped can be run again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command
from django.db import connection, migrations, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from kafka_integration.migrations._indexes import AddIndex, RemoveIndex
from kafka_integration.models import DeadLetter, OutboxMessage
from tests.dead_letters import make_letter
from tests.waiting import wait_for

APP = "kafka_integration"
DEAD_OF = "kafka_integration_dead_of"
REFUSALS = "kafka_integration_refusals"

ours = {key: migration for key, migration in MigrationLoader(None, load=True).disk_migrations.items() if key[0] == APP}
every_index_operation = [
    pytest.param(key, operation, id=f"{key[1]}-{getattr(operation, 'name', '') or operation.index.name}")
    for key, migration in sorted(ours.items())
    for operation in migration.operations
    if isinstance(operation, migrations.AddIndex | migrations.RemoveIndex)
]


@pytest.mark.parametrize(("key", "operation"), every_index_operation)
def test_no_index_of_a_table_that_is_there_is_made_while_writers_wait(key, operation) -> None:
    assert isinstance(operation, AddIndex | RemoveIndex)
    assert ours[key].atomic is False


@pytest.mark.parametrize("migration", [m for m in ours.values() if not m.atomic], ids=lambda each: each.name)
def test_what_has_no_transaction_does_nothing_that_could_not_be_done_twice(migration) -> None:
    changing = [each for each in migration.operations if not isinstance(each, AddIndex | RemoveIndex)]

    # Words that people choose among are no matter of the database's.
    assert all(isinstance(each, migrations.AlterField) and each.field.choices for each in changing)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("key", "operation"), every_index_operation)
def test_an_index_can_be_made_and_removed_again_wherever_a_migration_was_stopped(key, operation) -> None:
    states, at_first = states_around(key, operation), names_of_indexes()

    for _ in range(2):
        undo(operation, *states)
    undone = names_of_indexes()
    for _ in range(2):
        do(operation, *states)

    assert len(undone ^ at_first) == 1
    assert names_of_indexes() == at_first


@pytest.mark.django_db(transaction=True)
@pytest.mark.server_database
def test_an_index_that_the_server_was_kept_from_finishing_is_made_anew() -> None:
    key, operation = operation_of(DEAD_OF)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [DEAD_OF])

    do(operation, *states_around(key, operation))

    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass", [DEAD_OF])
        assert cursor.fetchone() == (True,)


@pytest.mark.django_db(transaction=True)
@pytest.mark.server_database
@pytest.mark.parametrize("change", ["made", "ended"])
@pytest.mark.parametrize("name", [DEAD_OF, REFUSALS])
def test_who_writes_is_not_held_up_by_an_index_that_waits_for_others(name: str, change: str) -> None:
    key, operation = operation_of(name)
    states, at_first = states_around(key, operation), names_of_indexes()
    if change == "made":
        undo(operation, *states)

    with ThreadPoolExecutor(2) as beside:
        with transaction.atomic():
            write()
            changing = beside.submit(and_close, lambda: (do if change == "made" else undo)(operation, *states))
            wait_for(is_somebody_waiting, 20, "the index waits for this transaction")

            beside.submit(and_close, write_impatiently).result(20)

            assert not changing.done()
        changing.result(20)

    assert (names_of_indexes() == at_first) is (change == "made")
    do(operation, *states)


@pytest.mark.django_db(transaction=True)
def test_the_statements_of_a_migration_can_be_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("sqlmigrate", APP, "0010")

    assert DEAD_OF in capsys.readouterr().out


def operation_of(name: str) -> tuple[tuple[str, str], AddIndex]:
    return next(
        (key, operation)
        for key, migration in ours.items()
        for operation in migration.operations
        if isinstance(operation, AddIndex) and operation.index.name == name
    )


def states_around(key: tuple[str, str], operation: Operation) -> tuple[ProjectState, ProjectState]:
    before = MigrationLoader(connection).project_state(key, at_end=False)
    operations = ours[key].operations
    for each in operations[: operations.index(operation)]:
        each.state_forwards(APP, before)
    after = before.clone()
    operation.state_forwards(APP, after)
    return before, after


def do(operation: Operation, before: ProjectState, after: ProjectState) -> None:
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards(APP, editor, before, after)


def undo(operation: Operation, before: ProjectState, after: ProjectState) -> None:
    with connection.schema_editor(atomic=False) as editor:
        operation.database_backwards(APP, editor, after, before)


def names_of_indexes() -> set[str]:
    with connection.cursor() as cursor:
        tables = [model._meta.db_table for model in (DeadLetter, OutboxMessage)]
        found = [connection.introspection.get_constraints(cursor, table) for table in tables]
    return {name for constraints in found for name, each in constraints.items() if each["index"]}


def write() -> None:
    OutboxMessage.objects.create(topic="orders", value=b"1")
    make_letter()


def write_impatiently() -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
        write()


def and_close(call: Callable[[], None]) -> None:
    try:
        call()
    finally:
        connection.close()


def is_somebody_waiting() -> bool:
    with connection.cursor() as cursor:
        # A transaction sees it as it was at first.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return bool(cursor.fetchone()[0])

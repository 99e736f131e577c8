"""What commands say where a table can't be read: how it is made only where it seems to be missing."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, ProgrammingError

from kafka_integration.tables import unreadable

HINT = "manage.py migrate makes it"


@pytest.mark.parametrize(
    "error",
    [ProgrammingError('relation "x" does not exist'), OperationalError("no such table: kafka_integration_process")],
)
def test_where_it_is_missing_it_is_said_what_makes_it(error: DatabaseError) -> None:
    assert unreadable("the table", error) == f"the table can't be read (if missing, {HINT}): {error}"


def test_what_makes_it_is_no_remedy_for_a_database_that_is_locked() -> None:
    assert unreadable("the table", OperationalError("database is locked")) == (
        "the table can't be read: database is locked"
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("command", "asked"),
    [("kafkaprocesses", "kafkaprocesses.list_processes"), ("kafkadeadletters", "kafkadeadletters.dead_letters.newest")],
)
def test_commands_say_so(command: str, asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(f"kafka_integration.management.commands.{asked}", fail)

    with pytest.raises(CommandError, match="can't be read: database is locked"):
        call_command(command, "list")

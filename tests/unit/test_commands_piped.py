"""Whoever reads what a command shows may stop reading: nothing is wrong then, and nothing is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from kafka_integration.management import pipes
from tests.dead_letters import make_letter
from tests.faults.scenario import SETTINGS

PROJECT = Path(__file__).parents[2]


def run(*arguments: str, tmp_path: Path) -> tuple[int, str]:
    """The status and the errors of a command of which nobody reads anything."""
    reading, writing = os.pipe()
    os.close(reading)
    variables = {
        **os.environ,
        **SETTINGS,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "WORKLOAD_KAFKA": json.dumps({"endpoints": "memory", "consumers": {}}),
    }
    variables.pop("PYTHONUNBUFFERED", None)
    command = [sys.executable, "manage.py", *arguments]
    try:
        done = subprocess.run(
            command, check=False, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=PROJECT, env=variables,
            timeout=60,
        )  # fmt: skip
    finally:
        os.close(writing)
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [("kafkagroups", "list", "--json"), ("kafkatopics", "list", "--json")])
def test_a_reader_that_has_seen_enough_is_no_error(arguments, tmp_path):
    assert run(*arguments, tmp_path=tmp_path) == (0, "")


def test_what_went_wrong_is_said_whoever_reads_what_is_shown(tmp_path):
    status, errors = run("kafkaprocesses", "list", tmp_path=tmp_path)

    assert status == 1
    assert errors.startswith("CommandError: the table of processes can't be read")
    assert "BrokenPipe" not in errors


@pytest.mark.django_db
def test_a_reader_that_stops_in_the_middle_is_no_error(monkeypatch):
    class Closed(StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    left = []
    monkeypatch.setattr(pipes, "leave_pipe", lambda: left.append(1))
    make_letter()

    call_command("kafkadeadletters", "list", stdout=Closed())

    assert left == [1]

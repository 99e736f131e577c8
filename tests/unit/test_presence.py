"""A process says how it is: its row, what stands there, and what an absent database costs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import OperationalError, connection
from django.db.models.functions import Now

from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.conf.producers import OperationsSettings
from kafka_integration.models import Process, ProcessCommand
from kafka_integration.operating.presence import heartbeat
from kafka_integration.operating.presence.row import Row, forget_old_rows, seconds_until_lost
from tests.unit import scripted
from tests.unit.consumers import write
from tests.unit.live import listed, make_row, process, shown
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]


GATE = threading.Event()
variable: ContextVar[str] = ContextVar("variable")


def has_caught_up(row: dict[str, Any]) -> bool:
    return any(
        consumer["handled"] == 3 and consumer["partitions"] and consumer["partitions"][0]["lag"] == 0
        for consumer in row["consumers"]
    )


def test_a_process_is_listed_with_what_it_owns_and_how_far_it_is():
    memory_broker().create_topic("events", 2)
    write("a", "b", "c")

    with process():
        row = wait_for(lambda: next((row for row in listed() if has_caught_up(row)), None))

    assert set(row) == {
        *("id", "kind", "host", "pid", "started_at", "seen_at", "state", "version", "consumers", "memory_bytes")
    }
    assert (row["kind"], row["state"]) == ("consumer", "running")
    assert row["memory_bytes"] > 1_000_000
    (consumer,) = row["consumers"]
    assert (consumer["name"], consumer["group"], consumer["handled"], consumer["failed"]) == ("c", "group", 3, 0)
    assert consumer["partitions"][0] == {
        "topic": "events",
        "partition": 0,
        "position": 3,
        "lag": 0,
        "state": "caught_up",
        "reason": None,
        "stuck_offset": None,
        "time_lag_seconds": None,
    }


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"offset_storage": "database"},
        {"ordering": "key", "concurrency": 2},
        {"message_handler": "tests.unit.scripted.handle_async"},
    ],
    ids=["lanes", "in transactions", "by key", "coroutines"],
)
def test_it_says_where_the_time_of_a_consumer_went(options):
    wait = threading.Event()
    scripted.script.append(lambda message: wait.wait(0.2))
    memory_broker().create_topic("events", 1)

    with process(**options):
        wait_for(times)
        write("a", key="k")
        # The row may be written while the handler is at work, or between its end and that of the transaction.
        parts = {"handle": 0.1999, "idle": 0.0} | ({"database": 0.0} if "offset_storage" in options else {})
        seconds = wait_for(lambda: next((s for s in times() if all(s[part] > parts[part] for part in parts)), None))

    assert seconds.keys() == {"handle", "database", "commit", "fetch", "wait", "idle"}
    assert 0.2 <= seconds["handle"] < 5
    assert (seconds["database"] > 0) == ("offset_storage" in options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ordering": "key", "concurrency": 2},
        {"message_handler": "tests.unit.scripted.Batch"},
        {"message_handler": "tests.unit.scripted.handle_async"},
        {"message_handler": "tests.unit.test_presence.wait_async"},
    ],
    ids=["lanes", "by key", "batches", "a coroutine that blocks", "a coroutine that waits"],
)
def test_a_handler_that_has_not_returned_is_part_of_where_the_time_went_and_counted_once(options, opened):
    scripted.script.append(lambda message: opened.wait(20))
    memory_broker().create_topic("events", 1)

    with process(**options):
        wait_for(times)
        write("a", key="k")
        began_at = monotonic()
        wait_for(lambda: any(seconds["handle"] > 0.7 for seconds in times()))
        opened.set()
        wait_for(lambda: listed()[0]["consumers"][0]["handled"] == 1)
        (seconds,) = wait_for(times)

        assert 0.7 < seconds["handle"] < monotonic() - began_at


def test_a_process_that_ends_is_listed_no_more():
    with process() as end:
        wait_for(listed)
        status = end()

    assert status == 0
    assert listed() == []


def test_the_row_is_written_again_and_again_and_stays_one():
    with process():
        first = wait_for(Process.objects.first)
        wait_for(lambda: Process.objects.get().seen_at > first.seen_at)

        assert Process.objects.get().pk == first.pk


def test_a_row_that_somebody_deleted_comes_again():
    with process():
        first = wait_for(Process.objects.first)
        Process.objects.all().delete()

        assert wait_for(Process.objects.first).pk != first.pk


def test_with_rows_turned_off_nothing_is_written(monkeypatch):
    made = []
    monkeypatch.setattr(heartbeat, "Row", made.append)
    write("a")

    with process({"rows": False}):
        wait_for(scripted.seen.copy)

    assert made == []
    assert not Process.objects.exists()


def test_a_database_that_fails_costs_one_line_and_no_message(monkeypatch, caplog):
    tries = []

    def fail(row: Row, **said: Any) -> None:
        tries.append(said)
        raise OperationalError("the server is gone")

    monkeypatch.setattr(Row, "write", fail)

    with process() as end:
        wait_for(lambda: len(tries) >= 3)
        write("a")
        wait_for(scripted.seen.copy)
        status = end()

    lines = [record.getMessage() for record in caplog.records if "can't be written" in record.getMessage()]
    assert status == 0
    assert len(lines) == 1
    assert 'database "default"' in lines[0]


def test_a_database_that_hangs_keeps_no_process_from_its_end(monkeypatch):
    begun, released = threading.Event(), threading.Event()

    def hang(row: Row, **said: Any) -> None:
        begun.set()
        released.wait(30)

    monkeypatch.setattr(Row, "write", hang)
    monkeypatch.setattr(heartbeat, "LAST_WORD_SECONDS", 0.1)

    try:
        with process() as end:
            assert begun.wait(10)
            assert end() == 0
    finally:
        released.set()


def test_a_database_that_was_not_migrated_costs_one_line_that_says_so(monkeypatch, caplog):
    monkeypatch.setattr(heartbeat, "has_table", lambda alias, model: False)
    with connection.schema_editor() as editor:
        editor.delete_model(Process)
    try:
        with process() as end:
            write("a")
            wait_for(lambda: scripted.seen and any("manage.py migrate" in line for line in caplog.messages))
            with pytest.raises(CommandError, match="migrate"):
                listed()
            assert end() == 0
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(Process)

    assert len([line for line in caplog.messages if "table of processes" in line]) == 1


def test_a_process_that_is_silent_for_30_s_is_lost():
    make_row(seen_at=Now() - timedelta(seconds=29), pid=1)
    make_row(seen_at=Now() - timedelta(seconds=31), pid=2)

    assert [(row["pid"], row["state"]) for row in listed()] == [(1, "running"), (2, "lost")]


def test_who_writes_seldom_is_lost_after_three_silences():
    assert seconds_until_lost(OperationsSettings(interval_seconds=60)) == 180


def test_the_row_of_a_process_that_was_killed_goes_when_its_number_is_anothers():
    old = make_row(seen_at=Now() - timedelta(seconds=31))
    row = Row("consumer")
    make_row(host="elsewhere", seen_at=Now() - timedelta(seconds=31))
    Process.objects.filter(pk=old.pk).update(**own_place())

    row.write(state="running", consumers=[], memory_bytes=None)

    assert sorted(Process.objects.values_list("host", flat=True)) == sorted(["elsewhere", own_place()["host"]])
    assert not Process.objects.filter(pk=old.pk).exists()


def test_a_live_process_of_the_same_name_and_number_in_another_container_is_left_alone():
    other = make_row(**own_place())

    Row("consumer").write(state="running", consumers=[], memory_bytes=None)

    assert Process.objects.filter(pk=other.pk).exists()


def test_rows_that_were_lost_a_day_ago_and_old_commands_go():
    make_row(seen_at=Now() - timedelta(hours=25))
    young = make_row(seen_at=Now() - timedelta(hours=23))
    for days in (6, 8):
        ProcessCommand.objects.create(process=young, name="stop", requested_at=Now() - timedelta(days=days))

    forget_old_rows("default", OperationsSettings())

    assert list(Process.objects.all()) == [young]
    assert ProcessCommand.objects.count() == 1


def test_people_are_shown_the_same_as_a_table():
    consumer = {
        "name": "c",
        "group": "g",
        "state": "running",
        "handled": 1234,
        "failed": 2,
        "rate": None,
        "partitions": [
            {
                "topic": "t",
                "partition": 3,
                "position": None,
                "lag": None,
                "state": "waiting",
                "reason": "outage",
                "stuck_offset": None,
                "time_lag_seconds": None,
            }
        ],
    }
    make_row(consumers=[consumer], host="web\x1b[31m")

    lines = shown().splitlines()

    assert "web\\x1b[31m" in lines[1]
    assert " ".join(lines[2].split()) == "c (group g): running, 1,234 handled, failed attempts: 2"
    assert " ".join(lines[3].split()) == "t[3] position unknown lag unknown waiting (outage)"


def test_of_a_stuck_partition_people_are_told_how_long_its_handler_has_been_at_work():
    stuck = {"topic": "t", "partition": 3, "position": 5, "lag": 9, "state": "stuck", "reason": None}
    stuck |= {"stuck_offset": 5, "busy_seconds": 723.4}
    consumer = {"name": "c", "group": "g", "state": "running", "handled": 1, "failed": 0, "rate": None}
    make_row(consumers=[{**consumer, "partitions": [stuck]}])

    assert "stuck at offset 5, its handler at work for 12 min" in shown()


@pytest.mark.parametrize(
    ("seconds", "line"),
    [
        (
            {"handle": 6.0, "database": 2.0, "commit": 0.01, "fetch": 5.0, "wait": 0.0, "idle": 15.0},
            "last minute, handlers: handler 75 %, database 25 %; loop: waiting for messages 75 %, fetching 25 %",
        ),
        ({"handle": 0.0, "database": 0.0, "idle": 60.0}, "last minute, loop: waiting for messages 100 %"),
        (dict.fromkeys(("handle", "database", "idle"), 0.0), None),
        (None, None),
    ],
    ids=["both", "idle", "just begun", "unknown"],
)
def test_people_are_told_where_the_time_of_a_consumer_went(seconds, line):
    consumer = {"name": "c", "group": "g", "state": "running", "handled": 1, "failed": 0, "rate": None}
    make_row(consumers=[{**consumer, "partitions": [], "time_seconds": seconds}])

    lines = [each.strip() for each in shown().splitlines() if "last minute" in each]

    assert lines == ([line] if line else [])


def test_where_nothing_runs_people_are_told_what_would_show():
    assert "runconsumer" in shown()
    assert listed() == []


@pytest.fixture
def opened() -> Iterator[threading.Event]:
    GATE.clear()
    yield GATE
    GATE.set()


async def wait_async(message: Any) -> None:
    variable.set("this and each later message has a task of its own")
    while not GATE.is_set():
        await asyncio.sleep(0.05)


def own_place() -> dict[str, Any]:
    row = Row("consumer")
    row.write(state="running", consumers=[], memory_bytes=None)
    place = Process.objects.values("host", "pid").get(pk=row.id)
    row.remove()
    return place


def times() -> list[dict[str, float]]:
    """Where the time of those went that say so."""
    found = [consumer["time_seconds"] for row in listed() for consumer in row["consumers"]]
    return [seconds for seconds in found if seconds is not None]

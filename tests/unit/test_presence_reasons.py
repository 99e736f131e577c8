"""Why a partition stands still, as its process says it: a backoff, a handler, an outage, or nothing that is known."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from time import monotonic
from typing import Any

import pytest
from django.db import OperationalError, connections

from kafka_integration import NO_COMMIT, Retry
from kafka_integration.client.metadata.partition_ends import PartitionEnds
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.operating.presence import database_answers, standing, watching
from kafka_integration.operating.presence.views import PartitionView
from tests.unit import scripted
from tests.unit.consumers import running, write
from tests.unit.live import partitions, process
from tests.unit.test_consumer_setbacks import away
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]


def views_with_a_stuck_one(watch: watching.ConsumersWatch) -> tuple[PartitionView, ...]:
    views = watch.look()[0].partitions
    return views if any(view.state == "stuck" for view in views) else ()


def test_a_message_in_a_long_backoff_is_shown_as_such_with_its_lag_and_age():
    scripted.fail_on("a")
    write("a")

    with process(retry={"attempts": 2, "backoff_seconds": 3600, "max_backoff_seconds": 3600}):
        found = wait_for(lambda: partitions() if partitions().get(0, {}).get("state") == "waiting" else None)

    assert (found[0]["reason"], found[0]["lag"], found[0]["position"]) == ("backoff", 1, 0)
    assert found[0]["time_lag_seconds"] >= 0


def test_what_a_handler_has_held_back_for_long_is_not_stuck(monkeypatch):
    monkeypatch.setattr(standing, "STUCK_SECONDS", 0.2)
    scripted.script.append(lambda message: NO_COMMIT)
    write("a", "b")

    with process():
        found = wait_for(lambda: partitions() if partitions().get(0, {}).get("reason") == "handler" else None)
        states = {found[0]["state"], *(wait_for(partitions)[0]["state"] for _ in range(5))}

    assert (found[0]["lag"], found[0]["position"]) == (2, 0)
    assert states == {"waiting"}


def test_of_partitions_that_share_a_thread_the_one_whose_handler_hangs_is_stuck_and_the_other_waits(monkeypatch):
    ahead_seconds = 0.0
    monkeypatch.setattr(watching, "monotonic", lambda: monotonic() + ahead_seconds)
    memory_broker().create_topic("events", 2)
    released = threading.Event()
    scripted.script.append(lambda message: released.wait(30))
    write("a")

    with ExitStack() as closing, running() as loop:
        try:
            wait_for(scripted.seen.copy)
            write("b", partition=1)
            wait_for(lambda: [partition for partition in loop.partitions if partition.line.held == 1][1:])
            watch = watching.ConsumersWatch([loop])
            closing.callback(watch.close)
            watch.look()
            ahead_seconds = 60.0
            views = wait_for(lambda: views_with_a_stuck_one(watch))
        finally:
            released.set()

    assert [(view.state, view.reason, view.stuck_offset) for view in views] == [
        ("stuck", None, 0),
        ("waiting", "handler", None),
    ]
    assert views[0].busy_seconds >= 60
    assert views[1].busy_seconds is None


@pytest.mark.parametrize("late", ["brokers", "database"])
def test_a_handler_that_was_known_to_hang_is_stuck_still_when_an_answer_is_late(monkeypatch, late):
    ahead_seconds = 0.0
    monkeypatch.setattr(watching, "monotonic", lambda: monotonic() + ahead_seconds)
    memory_broker().create_topic("events", 1)
    released, asked = threading.Event(), threading.Event()
    scripted.script.append(lambda message: released.wait(30))
    write("a")

    def late_answer(*_: object) -> None:
        asked.set()
        released.wait(30)

    with ExitStack() as closing, running() as loop:
        try:
            wait_for(scripted.seen.copy)
            watch = watching.ConsumersWatch([loop])
            closing.callback(watch.close)
            watch.look()
            ahead_seconds = 60.0
            wait_for(lambda: views_with_a_stuck_one(watch))
            where = {"brokers": (PartitionEnds, "ask"), "database": (database_answers.DatabaseAnswers, "_ask")}
            monkeypatch.setattr(*where[late], late_answer)
            ahead_seconds = 62.0
            (view,) = watch.look()[0].partitions
        finally:
            released.set()

    assert asked.is_set()
    assert (view.state, view.reason, view.stuck_offset) == ("stuck", None, 0)


@pytest.mark.parametrize(("first", "lag"), [(0, 5), (2, 3), (5, 0)], ids=["nothing", "some", "all"])
def test_what_was_deleted_is_no_lag_but_who_hangs_with_it_in_hand_is_stuck(monkeypatch, first, lag):
    ahead_seconds = 0.0
    monkeypatch.setattr(watching, "monotonic", lambda: monotonic() + ahead_seconds)
    memory_broker().create_topic("events", 1)
    released = threading.Event()
    scripted.script.append(lambda message: released.wait(30))
    write(*"abcde")

    with ExitStack() as closing, running() as loop:
        try:
            wait_for(scripted.seen.copy)
            memory_broker().delete_records("events", 0, first)
            watch = watching.ConsumersWatch([loop])
            closing.callback(watch.close)
            watch.look()
            ahead_seconds = 60.0
            (view,) = wait_for(lambda: views_with_a_stuck_one(watch))
        finally:
            released.set()

    assert (view.position, view.lag, view.stuck_offset) == (0, lag, 0)


def test_who_finishes_messages_waits_for_no_outage_though_its_lag_is_unknown(monkeypatch):
    ahead_seconds = 0.0
    monkeypatch.setattr(watching, "monotonic", lambda: monotonic() + ahead_seconds)
    monkeypatch.setattr(PartitionEnds, "ask", lambda ends, places: {})
    memory_broker().create_topic("events", 1)
    reasons = []

    with running() as loop:
        (partition,) = wait_for(lambda: loop.partitions)
        watch = watching.ConsumersWatch([loop])
        for finished in (1, 2, 3, 3):
            watch.look()
            write(*"a" * (finished - len(scripted.seen)))
            wait_for(lambda finished=finished: partition.ledger.finished == finished)
            ahead_seconds += 11
            reasons.append(watch.look()[0].partitions[0].reason)

    assert reasons == [None, None, None, "outage"]


@pytest.mark.parametrize("answer", ["none", "a refusal"])
def test_a_handler_whose_database_does_not_answer_waits_for_it_and_is_not_stuck(monkeypatch, answer):
    monkeypatch.setattr(standing, "STUCK_SECONDS", 0.5)
    monkeypatch.setattr(standing, "HANDLER_SECONDS", 0.1)
    monkeypatch.setattr(watching, "HANDLER_SECONDS", 0.1)
    monkeypatch.setattr(database_answers, "AWAY_SECONDS", 0.3)
    is_back, released = threading.Event(), threading.Event()

    def ask(connection: Any) -> Any:
        if answer == "none":
            is_back.wait(30)
        if not is_back.is_set():
            raise OperationalError("the server is gone")
        return connection.cursor_of_before()

    class Connections:
        def create_connection(self, alias: str) -> Any:
            made = connections.create_connection(alias)
            made.cursor_of_before = made.cursor
            made.cursor = lambda: ask(made)
            return made

    monkeypatch.setattr(database_answers, "connections", Connections())
    scripted.script.append(lambda message: released.wait(30))
    write("a")

    try:
        with process():
            found = wait_for(lambda: partitions() if partitions().get(0, {}).get("reason") == "outage" else None)
            states = {found[0]["state"], *(wait_for(partitions)[0]["state"] for _ in range(5))}
            is_back.set()
            later = wait_for(lambda: partitions() if partitions().get(0, {}).get("state") == "stuck" else None)
            released.set()
    finally:
        is_back.set()
        released.set()

    assert states == {"waiting"}
    assert later[0]["stuck_offset"] == 0


@pytest.mark.parametrize("storage", ["kafka", "database"])
@pytest.mark.parametrize("ordering", ["partition", "key"])
def test_an_outage_is_over_for_a_message_that_is_handled_again_and_then_fails_by_itself(storage, ordering):
    released = threading.Event()

    def fail(message: Any) -> None:
        if len(scripted.seen) == 1:
            raise away()
        released.wait(30)
        raise Retry(after_seconds=3600)

    scripted.script.append(fail)
    write("a")

    try:
        with running(offset_storage=storage, ordering=ordering, retry={"backoff_seconds": 1}) as loop:
            watch = watching.ConsumersWatch([loop])

            def reason() -> str | None:
                return watch.look()[0].partitions[0].reason

            wait_for(lambda: loop.partitions)
            wait_for(lambda: reason() == "outage")
            wait_for(lambda: len(scripted.seen) == 2)
            at_work = reason()
            released.set()
            wait_for(lambda: reason() == "backoff")
    finally:
        released.set()

    assert at_work is None

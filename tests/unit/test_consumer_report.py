"""What an operator reads of a consumer: how fast, how far behind, what is stuck, and nothing per message."""

from __future__ import annotations

import re
import threading

import pytest
from django.db import OperationalError, connection

from kafka_integration.client.metadata.partition_ends import PartitionEnds
from kafka_integration.client.transports.memory import MemoryConsumer
from kafka_integration.conf import get_settings
from kafka_integration.consuming import loop
from kafka_integration.consuming.committing.store import OffsetStore
from kafka_integration.consuming.group import report
from kafka_integration.consuming.group.assignment import Assignment
from kafka_integration.consuming.group.notices import Notices
from kafka_integration.consuming.group.report import Report
from kafka_integration.errors import BrokerError
from kafka_integration.retrying import Repeats
from tests.unit import scripted
from tests.unit.consumers import TOPIC, calls_of, consume, consumer_settings, running, write
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("memory_transport")


@pytest.fixture
def lines(caplog):
    """The consumer's own lines of progress so far."""
    caplog.set_level("INFO", logger="kafka_integration")

    def read() -> list[str]:
        wanted = (report.__name__, "kafka_integration.observing.log")
        return [record.getMessage() for record in caplog.records if record.name in wanted]

    return read


@pytest.fixture
def quick(monkeypatch):
    """Lines that come every half minute come every tenth of a second."""
    monkeypatch.setattr(report, "INTERVAL_SECONDS", 0.1)
    monkeypatch.setattr(report, "STUCK_SECONDS", 0.3)
    monkeypatch.setattr(loop, "POLL_SECONDS", 0.05)


def test_a_run_says_what_it_was_assigned_when_it_caught_up_and_what_it_did(lines):
    write(*"abc")

    consume()

    said = lines()
    assert said[0] == "consumer c: assigned events[0-3]"
    assert "consumer c: caught up, 3 handled so far" in said
    assert said[-2] == "consumer c: revoked events[0-3]"
    assert re.fullmatch(r"consumer c: stopped after \d+ s; 3 handled", said[-1])


def test_a_thousand_messages_make_no_more_lines_than_one(lines):
    write("a")
    consume()
    for_one = len(lines())
    write(*(str(number) for number in range(1000)))

    consume()

    assert len(lines()) == 2 * for_one


def test_progress_is_said_every_so_often_with_rate_and_lag(lines, quick):
    write(*(str(number) for number in range(40)))
    write("x", partition=1)
    scripted.script.append(lambda message: threading.Event().wait(0.02))

    with running(batch_size=1):
        wait_for(lambda: len(scripted.seen) == 41)

    progress = [line for line in lines() if "/s)" in line]
    assert 2 <= len(progress) <= 20
    assert re.fullmatch(
        r"consumer c: \d+ handled in \d s \(\d+(\.\d)?/s\), lag \d+( \(most: events\[0\] \d+\))?", progress[0]
    )
    assert sum(int(re.search(r"(\d+) handled", line)[1]) for line in progress) <= 41


def test_nothing_is_said_while_nothing_happens(lines, quick, monkeypatch):
    looks = calls_of(monkeypatch, Report, "_say_progress")
    write("a")
    with running():
        wait_for(lambda: any("no lag" in line for line in lines()), message=lines)
        before, looked = lines(), len(looks)
        wait_for(lambda: len(looks) >= looked + 4)
        after = lines()

    assert after == before


def test_a_consumer_that_is_behind_and_does_nothing_says_so(lines, quick):
    write(*"abc")
    goes_on = threading.Event()
    scripted.script.append(lambda message: goes_on.wait(10))

    with running():
        wait_for(lambda: sum("0 handled in" in line and "lag 3" in line for line in lines()) > 1, message=lines)
        wait_for(lambda: any("in the handler's hands: events[0]@0" in line for line in lines()), message=lines)
        goes_on.set()


def test_failures_are_counted_in_words_and_only_where_there_are_any(lines, quick):
    write(*"abcd")
    scripted.script.append(lambda message: 1 / 0 if message.value in "bc" else None)

    with running(on_failure="skip", retry={"attempts": 2, "backoff_seconds": 0.01}):
        wait_for(lambda: len(scripted.seen) == 6)

    assert re.fullmatch(r"consumer c: stopped after \d+ s; 2 handled, 2 failed attempts, 2 skipped", lines()[-1])


def test_to_catch_up_is_news_again_after_having_been_behind(lines, quick):
    def caught_up():
        return [line for line in lines() if "caught up" in line]

    write("first")
    with running():
        wait_for(lambda: len(caught_up()) == 1, message=lines)
        goes_on = threading.Event()
        scripted.script.append(lambda message: goes_on.wait(10))
        write(*"ab")
        wait_for(lambda: sum("lag 2" in line for line in lines()) > 2, message=lines)
        goes_on.set()
        wait_for(lambda: len(caught_up()) == 2, message=lines)

    assert caught_up() == ["consumer c: caught up, 1 handled so far", "consumer c: caught up, 3 handled so far"]


def test_a_stop_says_what_it_waits_for(lines):
    write(*"abc")
    goes_on = threading.Event()
    scripted.script.append(lambda message: goes_on.wait(10) if message.value == "b" else None)

    with running() as consumer:
        wait_for(lambda: len(scripted.seen) == 2)
        consumer.stop()
        wait_for(lambda: "consumer c: stopping, events[0]@1 in the handler's hands" in lines(), message=lines)
        goes_on.set()

    assert "2 handled" in lines()[-1]


def test_a_group_that_keeps_its_member_waiting_is_said(lines, quick, memory_transport):
    write("a")
    other = MemoryConsumer(memory_transport, {"group.id": "group"})
    with running():
        wait_for(lambda: scripted.seen)
        other.subscribe([TOPIC])
        wait_for(lambda: any("its group has assigned nothing for" in line for line in lines()), message=lines)
        other.close()
        wait_for(lambda: sum("assigned events[0-3]" in line for line in lines()) == 2, message=lines)


def test_trouble_is_said_once_a_minute_and_what_was_said_is_not_kept_for_ever(settings, monkeypatch, caplog):
    settings.KAFKA = consumer_settings()
    now = [1000.0]
    events = Notices(get_settings().consumers["c"], None, None, None)
    monkeypatch.setattr(events, "_repeats", Repeats(clock=lambda: now[0]))

    for offset in range(100):
        events.say(BrokerError(f"the checksum at offset {offset} is wrong"))
        events.say(BrokerError("the same"))
        now[0] += 10

    assert caplog.text.count("the same") == 17
    assert caplog.text.count("is wrong") == 100
    assert len(events._repeats._said_at) < 10


def test_what_cannot_begin_is_said_once_a_minute_and_its_lag_is_not_taken_for_none(lines, quick, monkeypatch):
    monkeypatch.setattr(report, "LATE_SECONDS", 1.5)
    write("a")
    write(*"bcd", partition=1)
    find_start = Assignment._find_start

    def fail_for_one(assignment, partition, committed):
        if partition.number == 1:
            raise BrokerError("there is no leader", code="LEADER_NOT_AVAILABLE", retriable=True)
        find_start(assignment, partition, committed)

    monkeypatch.setattr(Assignment, "_find_start", fail_for_one)
    with running():
        wait_for(lambda: any("can't begin" in line for line in lines()), 20, lines)
        said = len(lines())
        wait_for(lambda: len(lines()) > said + 2, 20, lines)

    late = [line for line in lines() if "can't begin" in line]
    assert len(late) == 1
    assert re.fullmatch(
        r"consumer c: for \d+ s and longer can't begin, so that their lag is unknown: events\[1\]; there is no leader",
        late[0],
    )
    progress = [line for line in lines() if "handled in" in line]
    assert all("lag unknown since" in line for line in progress), progress
    assert re.search(r", no lag, lag unknown since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+ for events\[1\]$", progress[-1])


@pytest.mark.django_db(transaction=True)
def test_a_partition_that_cannot_be_claimed_says_why_it_does_not_begin(lines, quick, monkeypatch):
    monkeypatch.setattr(report, "LATE_SECONDS", 1.5)
    write("a")

    def refuse(*_, **__):
        raise OperationalError("the table is locked")

    monkeypatch.setattr(OffsetStore, "claim", refuse)
    with running(offset_storage="database"):
        wait_for(lambda: any("can't begin" in line for line in lines()), 20, lines)
        wait_for(lambda: any("lag unknown since" in line for line in lines()), 20, lines)

    (late,) = [line for line in lines() if "can't begin" in line]
    assert "the database doesn't answer its claim (OperationalError" in late
    assert not any("no lag" in line for line in lines())


@pytest.mark.django_db(transaction=True)
def test_what_keeps_a_partition_from_being_claimed_is_said_at_the_first_try(caplog, monkeypatch):
    def ask_for_what_is_not_there(*_):
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM no_such")

    monkeypatch.setattr(OffsetStore, "_known", ask_for_what_is_not_there)
    write("a")

    with running(offset_storage="database"):
        wait_for(lambda: "can't be claimed" in caplog.text, 20)

    refused = r"can't be claimed in the database yet \((Operational|Programming)Error: .*no_such.*\); trying again"
    assert re.search(refused, caplog.text)


def test_an_end_that_nobody_tells_is_no_end(lines, quick, monkeypatch):
    write("a")
    monkeypatch.setattr(PartitionEnds, "ask", lambda ends, places: {})

    with running():
        wait_for(lambda: any("lag unknown since" in line for line in lines()), message=lines)

    assert not any("no lag" in line for line in lines())

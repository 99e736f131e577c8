"""Replaying many dead letters at a rate: what is asked for, what stops it, and what it says it did."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.db.models.functions import Now

from kafka_integration import Skip
from kafka_integration.dead_letters import paced_replay
from kafka_integration.dead_letters.operations import Selection
from kafka_integration.dead_letters.paced_replay import STALLED_SECONDS, Ended, Pace, PacedReplay, problem_of
from kafka_integration.models import DeadLetter
from tests.dead_letters import make_letter
from tests.unit.replays import PLAIN, Lane, Parked, Requested, do

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db]

State = DeadLetter.State
KIND = Selection(kind="aaaa", states=(State.PARKED, State.REPLAY))


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def letters(settings):
    settings.KAFKA = {"endpoints": "memory"}
    return [
        make_letter(consumer="c", group="group", topic="events", kind="aaaa", value=str(number).encode())
        for number in range(30)
    ]


def replay(clock, **pace):
    return PacedReplay(KIND, ["default"], Pace(**pace), clock=clock)


def count(state, **fields):
    return DeadLetter.objects.filter(state=state, **fields).count()


def handle_all(lane):
    while DeadLetter.objects.filter(state=Requested).exists():
        lane.look_again()
        lane.replay()


def go_through(paced, clock, lane):
    """As often as it takes, with a consumer at work in between."""
    for _ in range(200):
        clock.now += 1
        if not paced.turn():
            return
        handle_all(lane)
    raise AssertionError("it never ends")


def fail_on(*values):
    def follow(message):
        if message.value in values:
            raise ValueError

    do(follow)


def test_so_many_a_second_are_asked_for_and_no_more(letters, clock):
    paced = replay(clock, per_second=5)

    requested = []
    for now in (0, 0.1, 1, 1, 1.5):
        clock.now = now
        assert paced.turn()
        requested.append(count(Requested))

    assert requested == [1, 1, 6, 6, 8]


def test_what_was_left_out_while_none_were_handled_is_not_made_up_for_at_once(letters, clock, settings):
    do(lambda message: None)
    lane = Lane(settings, **PLAIN)
    paced = replay(clock, per_second=0.5)
    paced.turn()
    clock.now = 40
    handle_all(lane)

    paced.turn()

    assert count(Requested) == 1


def test_the_oldest_are_asked_for_first_and_those_of_other_kinds_never(letters, clock):
    other = make_letter(kind="bbbb")
    paced = replay(clock, per_second=100)
    clock.now = 0.1

    paced.turn()

    assert set(DeadLetter.objects.filter(state=Requested)) == set(letters[:11])
    other.refresh_from_db()
    assert other.state == Parked


def test_all_that_are_handled_are_told(letters, clock, settings):
    do(lambda message: None)
    paced = replay(clock, per_second=10)

    go_through(paced, clock, Lane(settings, **PLAIN))

    assert (paced.ended, paced.progress.handled, paced.progress.under_way) == (Ended.DONE, 30, 0)
    assert count(State.HANDLED) == 30


def test_no_more_are_begun_than_may_fail_while_they_do(letters, clock, settings):
    do(lambda message: 1 / 0)
    paced = replay(clock, per_second=1000, stop_after_failures=4)

    go_through(paced, clock, Lane(settings, **PLAIN))

    assert paced.ended == Ended.FAILURES
    assert (paced.progress.failed, paced.progress.requested) == (4, 4)
    assert count(Parked, replayed_at=None) == 26


def test_more_and_more_are_under_way_while_they_go_well(letters, clock, settings):
    do(lambda message: None)
    lane = Lane(settings, **PLAIN)
    paced = replay(clock, per_second=1000, stop_after_failures=2)
    clock.now = 1.0

    requested = []
    for _ in range(4):
        paced.turn()
        requested.append(count(Requested))
        handle_all(lane)

    assert requested == [2, 4, 8, 16]


def test_those_that_nobody_has_begun_are_taken_back_when_it_stops(letters, clock, settings):
    do(lambda message: None)
    lane = Lane(settings, **PLAIN)
    paced = replay(clock, per_second=1000, stop_after_failures=2)
    clock.now = 1.0
    for _ in range(3):
        paced.turn()
        handle_all(lane)
    paced.turn()
    do(lambda message: 1 / 0)
    for _ in range(2):
        lane.look_again()
        lane.replay()

    assert not paced.turn()

    progress = paced.progress
    assert (progress.handled, progress.failed, progress.withdrawn, progress.under_way) == (14, 2, 14, 0)
    assert count(Requested) == 0


def test_fewer_failures_than_that_stop_nothing_and_are_told(letters, clock, settings):
    fail_on("3", "17")
    paced = replay(clock, stop_after_failures=3)

    go_through(paced, clock, Lane(settings, **PLAIN))

    assert (paced.ended, paced.progress.handled, paced.progress.failed) == (Ended.DONE, 28, 2)


def test_one_that_the_handler_skips_is_discarded_and_no_failure(letters, clock, settings):
    def skip(message):
        raise Skip("too old")

    do(skip)
    paced = replay(clock, per_second=100, stop_after_failures=1)

    go_through(paced, clock, Lane(settings, **PLAIN))

    assert (paced.ended, paced.progress.discarded, paced.progress.failed) == (Ended.DONE, 30, 0)


def test_without_a_running_consumer_it_gives_up_and_asks_for_nothing_any_more(letters, clock):
    paced = replay(clock, per_second=10)
    paced.turn()
    clock.now += STALLED_SECONDS - 1
    assert paced.turn()
    clock.now += STALLED_SECONDS

    assert not paced.turn()

    assert paced.ended == Ended.STALLED
    assert "not paused" in problem_of(paced.progress, paced.ended)
    assert count(Parked) == 30


def test_a_handler_that_takes_long_is_waited_for(letters, clock):
    paced = replay(clock, per_second=10)
    paced.turn()
    taken = DeadLetter.objects.filter(state=Requested)
    taken.update(leased_until=Now() + timedelta(minutes=2), lease_holder="a worker")
    clock.now = 10 * STALLED_SECONDS

    assert paced.turn()
    assert paced.ended is None


def test_one_in_somebodys_hands_is_not_taken_back_but_waited_for_a_while(letters, clock):
    paced = replay(clock)
    paced.turn()
    first = DeadLetter.objects.filter(state=Requested).first()
    DeadLetter.objects.filter(pk=first.pk).update(leased_until=Now() + timedelta(minutes=2), lease_holder="a worker")

    result = paced.run(lambda seconds: setattr(clock, "now", clock.now + 10) or True, lambda progress: None)

    assert paced.ended == Ended.INTERRUPTED
    assert (result.under_way, result.withdrawn) == (1, 29)
    assert count(Requested) == 1


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_for_a_moment_ends_nothing(letters, clock, settings, monkeypatch):
    do(lambda message: None)
    lane, real, calls = Lane(settings, **PLAIN), paced_replay.request_replay, []

    def fail_at_first(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise DatabaseError("the server closed the connection")
        return real(*arguments)

    monkeypatch.setattr(paced_replay, "request_replay", fail_at_first)
    paced = replay(clock, per_second=100)

    def wait(seconds):
        clock.now += 1
        handle_all(lane)

    assert paced.run(wait, lambda progress: None).handled == 30


def test_discarded_ones_come_back_only_where_they_are_named(clock):
    discarded = make_letter(kind="aaaa", state=State.DISCARDED)

    replay(clock).turn()
    assert count(Requested) == 0

    PacedReplay(Selection(ids=[discarded.pk]), ["default"], Pace(), clock=clock).turn()
    assert count(Requested) == 1


@pytest.fixture
def consumer(monkeypatch, settings):
    """A consumer at work while the command waits."""
    lane = Lane(settings, **PLAIN)
    monkeypatch.setattr(
        "kafka_integration.management.replaying.StopRequest.wait",
        lambda self, seconds: handle_all(lane),
    )


def command(*arguments):
    output = StringIO()
    try:
        call_command("kafkadeadletters", "replay", *arguments, stdout=output)
    except CommandError as error:
        return output.getvalue(), error
    return output.getvalue(), None


@pytest.mark.usefixtures("letters", "consumer")
def test_the_command_says_what_it_did_and_succeeds_if_all_were_handled():
    do(lambda message: None)

    output, error = command("--kind", "aaaa", "--rate", "1000")

    assert output == "30 of 30 asked for: 30 handled, 0 failed again.\n"
    assert error is None


@pytest.mark.usefixtures("letters", "consumer")
def test_the_command_stops_after_so_many_failures_with_a_status_for_scripts():
    do(lambda message: 1 / 0)

    output, error = command("--kind", "aaaa", "--rate", "1000", "--stop-after-failures", "3", "--json")

    assert json.loads(output) == {
        "total": 30,
        "requested": 3,
        "handled": 0,
        "failed": 3,
        "discarded": 0,
        "withdrawn": 0,
        "under_way": 0,
        "not_taken_up": 0,
        "ended": "failures",
    }
    assert error.returncode == 1
    assert str(error) == "Stopped because 3 failed again; 27 were left as they are."


@pytest.mark.usefixtures("letters", "consumer")
def test_the_command_fails_where_some_did_also_without_a_limit():
    fail_on("3")

    output, error = command("--group", "group", "--rate", "1000")

    assert "29 handled, 1 failed again" in output
    assert (error.returncode, str(error)) == (1, "1 failed again.")


@pytest.mark.usefixtures("letters", "consumer")
def test_whoever_watches_sees_how_far_it_is_and_a_script_does_not():
    class Terminal(StringIO):
        def isatty(self):
            return True

    do(lambda message: None)
    terminal, file = Terminal(), StringIO()

    for stream in (terminal, file):
        call_command("kafkadeadletters", "replay", "--group=group", "--rate=1000", stdout=StringIO(), stderr=stream)

    assert "0 handled, 0 failed again" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")
    assert file.getvalue() == ""


@pytest.mark.usefixtures("letters")
def test_ctrl_c_takes_back_what_nobody_has_begun(monkeypatch):
    monkeypatch.setattr("kafka_integration.management.replaying.StopRequest.wait", lambda self, seconds: True)

    output, error = command("--kind", "aaaa", "--rate", "5")

    assert output == "1 of 30 asked for: 0 handled, 0 failed again, 1 not begun.\n"
    assert (error.returncode, str(error)) == (130, "interrupted")
    assert count(Parked) == 30


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "x", "1e9"])
def test_a_rate_that_is_none_is_wrong_usage(rate):
    assert "dead letters a second" in str(command("--all", f"--rate={rate}")[1])

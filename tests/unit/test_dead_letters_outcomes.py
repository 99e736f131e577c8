"""What became of replays: told by the dead letters themselves, and by a command that waits for it."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from kafka_integration import Skip
from kafka_integration.dead_letters.awaited import AwaitedReplay
from kafka_integration.models import DeadLetter, Process
from tests.dead_letters import make_letter
from tests.unit.consumers import consumer_settings
from tests.unit.replays import PLAIN, Lane, Parked, Requested, do, reread

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db]

State = DeadLetter.State


def letter(**fields):
    return make_letter(**{"consumer": "c", "group": "group", "topic": "events", **fields})


def run(*arguments):
    output = StringIO()
    call_command("kafkadeadletters", *map(str, arguments), stdout=output, stderr=StringIO())
    return output.getvalue()


def read(*arguments):
    return json.loads(run(*arguments, "--json"))


def failed(*arguments):
    """What it prints, and what it ends with."""
    output, errors = StringIO(), StringIO()
    with pytest.raises(CommandError) as raised:
        call_command("kafkadeadletters", *map(str, arguments), stdout=output, stderr=errors)
    return output.getvalue(), errors.getvalue(), raised.value


@contextmanager
def at_work(monkeypatch, lane):
    """A consumer that works whenever the command waits."""

    def work(stop, timeout):
        lane.look_again()
        if (task := lane.next()) is not None:
            task.run()
        return stop.is_made

    with monkeypatch.context() as patch:
        patch.setattr("kafka_integration.operating.stopping.StopRequest.wait", work)
        yield


def act_on(message):
    if message.value == "bad":
        raise ValueError
    if message.value == "skip":
        raise Skip("sold out")


def test_each_says_what_became_of_its_replay(settings):
    do(act_on)
    values = (b"good", b"bad", b"skip")
    letters = [letter(value=value, state=Requested) for value in values]
    never, waiting = letter(), letter(state=Requested, partition=1)
    lane = Lane(settings, **PLAIN)
    for _ in letters:
        lane.look_again()
        lane.replay()

    standings = [read("show", each.pk)["standing"] for each in (*letters, never, waiting)]
    pages = [run("show", each.pk) for each in (*letters, never)]

    assert standings == ["handled", "failed_again", "skipped", "parked", "requested"]
    assert ["\noutcome: handled by a replay\n" in pages[0], "\noutcome: failed again in a replay\n" in pages[1]] == [
        True
    ] * 2
    assert "\noutcome: skipped by its handler in a replay\n" in pages[2]
    assert "\noutcome:" not in pages[3]
    assert "(failed again in a replay)" in run("list")


def test_of_a_selection_it_says_how_many_were_handled_failed_with_which_reason_and_wait():
    for _ in range(2):
        letter(kind="aaaa", state=State.HANDLED, replayed_at=Now())
    newest = [letter(kind="aaaa", replayed_at=Now(), reason="no stock", location="shop.pay: card") for _ in range(3)][
        -1
    ]
    letter(kind="aaaa", state=Requested)
    letter(kind="aaaa", state=Requested, is_taken=True)
    letter(kind="bbbb", state=State.HANDLED, replayed_at=Now())

    document, text = read("outcome", "--kind", "aaaa"), run("outcome", "--kind", "aaaa")

    assert {name: document[name] for name in ("handled", "failed_again", "requested", "being_replayed", "parked")} == {
        "handled": 2, "failed_again": 3, "requested": 1, "being_replayed": 1, "parked": 0,
    }  # fmt: skip
    assert document["failures"] == [
        {"kind": "aaaa", "exception": "builtins.ValueError", "location": "shop.pay: card", "count": 3,
         "id": newest.pk, "reason": "no stock"}
    ]  # fmt: skip
    assert document["last_at"] is not None
    assert "3 failed again in a replay, 1 replay requested, not taken up yet, 1 in a handler's hands" in text
    assert "3 failed again with builtins.ValueError: no stock at shop.pay: card (--kind aaaa" in text


def test_one_that_was_parked_anew_since_has_no_outcome():
    letter(replayed_at=Now() - timedelta(hours=1))

    assert read("outcome", "--all")["failed_again"] == 0


def test_of_none_asked_for_the_outcome_says_so():
    assert run("outcome", "--all") == "No dead letters.\n"


def test_who_waits_learns_that_all_are_handled(monkeypatch, settings):
    do(act_on)
    letters = [letter() for _ in range(3)]

    with at_work(monkeypatch, Lane(settings, **PLAIN)):
        text = run("replay", *(each.pk for each in letters), "--wait", 60)

    assert text == "3 of 3 asked for: 3 handled, 0 failed again.\n"


def test_who_waits_learns_which_failed_again_and_why_and_gets_a_status_for_it(monkeypatch, settings):
    do(act_on)
    letter()
    bad = letter(value=b"bad")

    with at_work(monkeypatch, Lane(settings, **PLAIN)):
        output, _, error = failed("replay", "--all", "--wait", 60, "--json")

    document = json.loads(output)
    assert (document["handled"], document["failed"], document["under_way"]) == (1, 1, 0)
    assert [(each["exception"], each["id"]) for each in document["failures"]] == [("builtins.ValueError", bad.pk)]
    assert (str(error), error.returncode) == ("1 failed again.", 1)


def test_those_that_nobody_takes_up_in_time_stay_asked_for(settings):
    settings.KAFKA = {"endpoints": "memory"}
    waiting = letter()

    output, _, error = failed("replay", waiting.pk, "--wait", "0.1")

    assert output == "1 of 1 asked for: 0 handled, 0 failed again, 1 not taken up yet.\n"
    assert "1 not done after 0.1 s" in str(error)
    assert error.returncode == 1
    assert reread(waiting).state == Requested


def test_those_that_nobody_took_up_are_told_apart_from_those_in_hand_with_the_reason(settings):
    settings.KAFKA = consumer_settings()
    letter(state=Requested, is_taken=True)
    waiting = letter()
    owned = {"topic": "events", "partition": waiting.partition, "reason": "paused"}
    consumer = {"name": "c", "group": "group", "state": "running", "partitions": [owned]}
    Process.objects.create(
        kind="consumer", host="web-1", pid=1, started_at=Now(), seen_at=Now(), version="1", state="running",
        consumers=[consumer],
    )  # fmt: skip

    output, errors, error = failed("replay", "--all", "--wait", "0.1")
    document = json.loads(failed("replay", "--all", "--wait", "0.1", "--json")[0])

    assert output == "2 of 2 asked for: 0 handled, 0 failed again, 1 not taken up yet, 1 still under way.\n"
    assert f"Paused, so that replays wait until they are resumed: events[{waiting.partition}]." in errors
    assert "2 not done" in str(error)
    assert (document["under_way"], document["not_taken_up"]) == (2, 1)


def test_where_nobody_runs_the_consumer_who_waits_is_told(settings):
    settings.KAFKA = consumer_settings()
    letter()

    assert "No process runs consumer c now" in failed("replay", "--all", "--wait", "0.1")[1]


def test_those_that_were_asked_for_before_are_waited_for_too(monkeypatch, settings):
    do(act_on)
    letter(state=Requested)

    with at_work(monkeypatch, Lane(settings, **PLAIN)):
        document = read("replay", "--all", "--wait", 60)

    assert (document["total"], document["handled"]) == (1, 1)


def test_what_is_settled_is_not_waited_for(settings):
    settings.KAFKA = {"endpoints": "memory"}
    settled = letter(state=State.HANDLED)

    document = read("replay", settled.pk, "--wait", 60)

    assert (document["total"], document["left_alone"]) == (0, 1)


def test_whoever_interrupts_the_waiting_leaves_them_asked_for(monkeypatch, settings):
    settings.KAFKA = {"endpoints": "memory"}
    waiting = letter()

    def stop(request, timeout):
        request.make()
        return True

    monkeypatch.setattr("kafka_integration.operating.stopping.StopRequest.wait", stop)
    *_, error = failed("replay", waiting.pk, "--wait", 60)

    assert error.returncode == 130
    assert reread(waiting).state == Requested


def test_a_rate_waits_anyway():
    assert failed("replay", "--all", "--wait", 60, "--rate", 5)[2].returncode == 2


def test_many_are_looked_at_a_page_at_a_time(monkeypatch):
    monkeypatch.setattr("kafka_integration.dead_letters.under_way.PAGE", 2)
    letters = [letter(state=State.HANDLED) for _ in range(5)]
    replay = AwaitedReplay({"default": [each.pk for each in letters]})

    progress = replay.run(0, threading.Event().wait, lambda _: None)

    assert (progress.handled, progress.under_way) == (5, 0)


def test_a_replay_at_a_rate_says_why_some_failed(monkeypatch, settings):
    do(act_on)
    bad = letter(value=b"bad")

    with at_work(monkeypatch, Lane(settings, **PLAIN)):
        output, errors, _ = failed("replay", "--all", "--rate", 100)

    assert output == "1 of 1 asked for: 0 handled, 1 failed again.\n"
    assert "1 failed again with builtins.ValueError at" in errors
    assert reread(bad).state == Parked

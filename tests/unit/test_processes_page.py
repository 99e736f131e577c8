"""The page of processes: what it shows, and what is asked there of whom."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth.models import Permission, User
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from kafka_integration.models import Process, ProcessCommand
from kafka_integration.operating.presence import asking
from kafka_integration.operating.presence.answering import Answering
from tests.unit.live import make_row
from tests.unit.test_operator_pages import sign_in

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:kafka_integration_processes")
CONSUMER = {
    "name": "marketing",
    "group": "g",
    "state": "running",
    "handled": 1234,
    "failed": 0,
    "rate": None,
    "partitions": [
        {
            "topic": "clicks",
            "partition": 3,
            "position": 7,
            "lag": None,
            "state": "stuck",
            "reason": None,
            "stuck_offset": 7,
            "time_lag_seconds": None,
        }
    ],
}


def url(operation: str) -> str:
    return reverse(f"admin:kafka_integration_processes_{operation}")


@pytest.fixture
def row() -> Process:
    return make_row(consumers=[CONSUMER], host="<web>")


def test_it_shows_where_the_time_of_a_consumers_handlers_went_and_of_its_loop_meanwhile(client: Client) -> None:
    seconds = {"handle": 15.0, "database": 0.0, "commit": 0.0, "fetch": 3.0, "wait": 12.0, "idle": 30.0}
    make_row(consumers=[{**CONSUMER, "time_seconds": seconds}])
    sign_in(client, "view_operations")

    shown = client.get(PAGE).content.decode()

    assert "handler 100 %" in shown
    assert "waiting for messages 67 %" in shown
    assert "waiting for the handler 27 %" in shown
    assert '<th scope="row">database</th><td>0 s (0 %)</td>' in shown
    assert "style=" not in shown.partition('id="kafka-live"')[2]


def test_where_a_process_does_not_say_where_its_time_went_that_is_unknown(client: Client, row: Process) -> None:
    sign_in(client, "view_operations")

    shown = client.get(PAGE).content.decode()

    assert "kafka-share" not in shown
    assert 'Time in the last minute</p><span class="kafka-unknown">unknown</span>' in shown


@contextmanager
def answered(monkeypatch: pytest.MonkeyPatch, **doers: Callable[[Any], str]) -> Iterator[None]:
    """Whoever waits for an answer gets it: the process looks meanwhile, unless it is lost."""

    def look(seconds: float) -> None:
        for row in Process.objects.filter(seen_at__gt=Now() - timedelta(seconds=30)):
            Answering("default", doers).look(row.pk)

    monkeypatch.setattr(asking, "sleep", look)
    yield


def test_it_shows_what_runs_and_escapes_what_others_chose(client: Client, row: Process) -> None:
    sign_in(client, "view_operations")

    shown = client.get(PAGE).content.decode()

    assert "consumer on &lt;web&gt; (7)" in shown
    assert "marketing" in shown
    assert "clicks[3]" in shown
    assert "at offset 7" in shown
    assert "/clicks/?partition=3&amp;start=7" in shown
    assert "unknown" in shown
    assert "<button" not in shown.partition('id="kafka-live"')[2]


def test_of_a_lost_one_it_says_when_it_was_seen_and_that_it_said_all_else_last(client: Client) -> None:
    make_row(consumers=[CONSUMER], seen_at=Now() - timedelta(minutes=10))
    sign_in(client, "view_operations")

    shown = " ".join(strip_tags(client.get(PAGE).content.decode()).split())

    assert re.search(r"lost: started [^a-z]+ UTC, last seen 10 min ago, version", shown)
    assert "What it said last: marketing" in shown
    assert "since" not in shown


def test_of_one_that_runs_what_it_says_is_not_called_its_last_word(client: Client, row: Process) -> None:
    sign_in(client, "view_operations")

    assert "said last" not in client.get(PAGE).content.decode()


def test_it_says_what_to_start_where_nothing_runs(client: Client) -> None:
    sign_in(client, "view_operations")

    assert "manage.py runconsumer" in client.get(PAGE).content.decode()


def test_without_its_table_it_says_to_migrate(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(client, "view_operations")
    monkeypatch.setattr("kafka_integration.admin.pages.processes.has_table", lambda alias, model: False)

    assert "manage.py migrate --database default" in client.get(PAGE).content.decode()


@pytest.mark.parametrize("operation", ["pause", "resume", "quiet", "stop", "trace", "forget"])
def test_what_is_asked_asks_for_a_permission_and_a_post(client: Client, row: Process, operation: str) -> None:
    sign_in(client, "view_operations")
    data = {"process": row.pk, "consumer": "marketing"}

    without = client.post(url(operation), data).status_code
    strict = Client(enforce_csrf_checks=True)
    sign_in_again(strict, "control_processes")

    assert without == 403
    assert strict.post(url(operation), data).status_code == 403
    assert strict.get(url(operation)).status_code == 405
    assert not ProcessCommand.objects.exists()
    assert Process.objects.get() == row


def sign_in_again(client: Client, codename: str) -> None:
    user = User.objects.get()
    user.user_permissions.add(Permission.objects.get(codename=codename))
    client.force_login(User.objects.get(pk=user.pk))


def stop_of(client: Client, row: Process) -> str:
    """What is unfolded before a process is stopped."""
    shown = client.get(PAGE).content.decode()
    assert shown.count(f'id="stop-{row.pk}"') == 1
    return shown.partition(f'<details id="asks-{row.pk}"')[2].partition("</details>")[0]


def test_a_process_is_stopped_by_a_second_press_below_what_nobody_else_runs(client: Client, row: Process) -> None:
    shared = {**CONSUMER, "name": "mails"}
    two = make_row(consumers=[shared, {**CONSUMER, "name": "<search>"}])
    make_row(consumers=[shared])
    make_row(consumers=[CONSUMER], state="quiet")
    make_row(consumers=[CONSUMER], seen_at=Now() - timedelta(minutes=1))
    sign_in(client, "view_operations", "control_processes")

    asked = stop_of(client, two)

    assert f'id="stop-{two.pk}"' in asked
    assert "finishes and commits what its handlers have in hand" in asked
    assert "What is unfinished after shutdown_grace_seconds is left" in asked
    assert "No other process here runs &lt;search&gt;:" in asked
    assert "No other process here runs marketing:" in stop_of(client, row)


def test_who_stops_the_only_relay_reads_that_nothing_more_leaves_the_outbox(client: Client, row: Process) -> None:
    relay = make_row(kind="relay", pid=8)
    sign_in(client, "view_operations", "control_processes")

    alone = stop_of(client, relay)
    make_row(kind="relay", pid=9, state="standing_by")

    assert "No other relay is here: what is published waits in the outbox until one runs." in alone
    assert "No other relay" not in stop_of(client, relay)
    assert "It waits for what it is sending" in stop_of(client, relay)


def test_a_process_is_asked_and_the_log_says_by_whom(client: Client, row: Process, monkeypatch: Any) -> None:
    user = sign_in(client, "view_operations", "control_processes")

    with answered(monkeypatch, quiet=lambda arguments: "begins nothing more"):
        response = client.post(url("quiet"), {"process": row.pk}, follow=True)

    command = ProcessCommand.objects.get()
    assert (command.state, command.requested_by) == ("done", user.get_username())
    assert "1 process was asked to quiet." in response.content.decode()
    entry = LogEntry.objects.get()
    assert (entry.user_id, entry.object_id) == (user.pk, str(row.pk))
    assert "quiet" in entry.change_message


def test_a_consumer_is_paused_in_all_its_processes_and_in_a_lost_one_as_soon_as_it_is_heard_of(
    client: Client, row: Process, monkeypatch: Any
) -> None:
    other = make_row(consumers=[CONSUMER], pid=8)
    lost = make_row(consumers=[CONSUMER], pid=9, seen_at=Now() - timedelta(minutes=15))
    sign_in(client, "view_operations", "control_processes")

    with answered(monkeypatch, pause=lambda arguments: "paused"):
        asked = {"consumer": "marketing", "topic": "clicks", "partition": "3"}
        shown = client.post(url("pause"), asked, follow=True).content.decode()

    wanted = {"consumer": "marketing", "topic": "clicks", "partition": 3}
    commands = ProcessCommand.objects.order_by("process_id").values_list("process_id", "arguments", "state")
    assert list(commands) == [(row.pk, wanted, "done"), (other.pk, wanted, "done"), (lost.pk, wanted, "requested")]
    assert f'class="warning">Process {lost.pk}: is lost, silent for 15 min: it does so if it is heard of' in shown
    assert "0 did not" in LogEntry.objects.get().change_message


def test_a_lost_one_is_forgotten_and_the_log_says_by_whom(client: Client, row: Process) -> None:
    lost = make_row(consumers=[CONSUMER], pid=9, seen_at=Now() - timedelta(minutes=30))
    user = sign_in(client, "view_operations", "control_processes")

    before = client.get(PAGE).content.decode()
    after = client.post(url("forget"), {"process": lost.pk}, follow=True).content.decode()

    assert [f'id="forget-{id}"' in before for id in (row.pk, lost.pk)] == [False, True]
    assert f"Process {lost.pk} is forgotten." in after
    assert list(Process.objects.all()) == [row]
    entry = LogEntry.objects.get()
    assert (entry.user_id, entry.object_id, entry.action_flag) == (user.pk, str(lost.pk), DELETION)


def test_one_that_is_not_lost_is_not_forgotten(client: Client, row: Process) -> None:
    sign_in(client, "view_operations", "control_processes")

    shown = client.post(url("forget"), {"process": row.pk}, follow=True).content.decode()

    assert f"There is no lost process {row.pk}: it was forgotten before, or is heard of again" in shown
    assert Process.objects.get() == row
    assert not LogEntry.objects.exists()


def test_one_that_refuses_is_shown_with_its_reason(client: Client, row: Process, monkeypatch: Any) -> None:
    sign_in(client, "view_operations", "control_processes")

    with answered(monkeypatch, stop=lambda arguments: "stops"):
        response = client.post(url("quiet"), {"process": row.pk}, follow=True)

    assert "this process can&#x27;t quiet; it can: stop" in response.content.decode()
    assert "1 did not" in LogEntry.objects.get().change_message


def test_a_trace_is_shown_to_those_alone_who_may_ask_for_it(client: Client, row: Process, monkeypatch: Any) -> None:
    sign_in(client, "view_operations", "control_processes")

    with answered(monkeypatch, trace=lambda arguments: "thread <main>\n  File x"):
        response = client.post(url("trace"), {"process": row.pk}, follow=True)
    shown = response.content.decode()
    client.logout()
    make_reader(client)

    assert "thread &lt;main&gt;" in shown
    assert "thread" not in client.get(response.redirect_chain[-1][0]).content.decode()


def make_reader(client: Client) -> None:
    user = User.objects.create_user("reader", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_operations"))
    client.force_login(user)


@pytest.mark.parametrize("process", ["", "x", "9" * 30, "-1"])
def test_what_no_button_asks_for_is_a_bad_request(client: Client, process: str) -> None:
    sign_in(client, "view_operations", "control_processes")

    assert client.post(url("stop"), {"process": process}).status_code == 400


def test_a_process_that_is_gone_is_said_to_be(client: Client, row: Process) -> None:
    sign_in(client, "view_operations", "control_processes")

    response = client.post(url("stop"), {"process": row.pk + 1}, follow=True)

    assert f"here is no process {row.pk + 1}" in response.content.decode()

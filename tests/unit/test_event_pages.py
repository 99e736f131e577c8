"""The page of an event: where it has got to, for whoever may see what."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from kafka_integration import publish
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.errors import BrokerUnavailableError
from kafka_integration.models import OutboxMessage
from kafka_integration.operating.events import sightings
from kafka_integration.outbox.lease import Lease
from tests.dead_letters import make_letter
from tests.unit.consumers import consumer_settings
from tests.unit.live import make_row

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db]

SEARCH = reverse("admin:kafka_integration_events")
SECRET = "secret-4111"


@pytest.fixture(autouse=True)
def _project(settings: Any) -> None:
    settings.KAFKA = consumer_settings()
    OutboxMessage.objects.all().delete()


def client_of(*codenames: str) -> Client:
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def page_of(event_id: str) -> str:
    return reverse("admin:kafka_integration_event", args=[event_id])


def send(event_id: str, key: str = SECRET) -> None:
    memory_broker().produce("events", SECRET, key=key, partition=0, headers=[("ce_id", event_id.encode())])


def test_the_field_leads_to_the_page_of_the_event() -> None:
    response = client_of("view_operations").get(SEARCH, {"id": " a/b "})

    assert (response.status_code, response.headers["Location"]) == (302, page_of("a/b"))


def test_the_search_is_among_the_links_and_has_a_field() -> None:
    client = client_of("view_operations")

    page = client.get(SEARCH).content.decode()

    assert 'name="id"' in page
    assert SEARCH in client.get(reverse("admin:kafka_integration_overview")).content.decode()


@pytest.mark.parametrize("url", [SEARCH, page_of("x")])
def test_it_asks_for_a_permission(url: str) -> None:
    assert client_of("view_deadletter").get(url).status_code == 403


def test_an_event_is_shown_with_what_became_of_it_in_each_group() -> None:
    send("a")
    letter = make_letter(
        consumer="c", group="group", topic="events", offset=0, key=SECRET.encode(),
        headers=[("ce_id", b"a")], event_id="a",
    )  # fmt: skip

    page = client_of("view_operations", "view_deadletter").get(page_of("a")).content.decode()

    assert "events[0]@0" in page
    assert "dead letter" in page
    assert f'href="{reverse("admin:kafka_integration_deadletter_change", args=[letter.pk])}"' in page


def test_a_key_is_a_payload_and_asks_for_a_permission_of_its_own() -> None:
    send("a")

    without = client_of("view_operations").get(page_of("a")).content.decode()
    User.objects.all().delete()
    allowed = client_of("view_operations", "view_payloads").get(page_of("a")).content.decode()

    assert SECRET not in without
    assert SECRET in allowed


def test_a_dead_letter_is_no_link_for_those_who_may_not_see_it() -> None:
    make_letter(group="group", topic="events", headers=[("ce_id", b"a")], event_id="a")

    assert "/deadletter/" not in client_of("view_operations").get(page_of("a")).content.decode()


def test_what_waits_in_the_outbox_says_so() -> None:
    event_id = publish("events", "v")

    page = client_of("view_operations").get(page_of(event_id)).content.decode()

    assert "in the outbox" in page
    assert "in no topic yet" in page
    assert "not reached yet" in page


def test_what_waits_in_the_outbox_leads_to_its_row_and_says_whether_a_relay_runs() -> None:
    event_id = publish("events", "v")
    client = client_of("view_operations", "view_outboxmessage")

    alone = client.get(page_of(event_id)).content.decode()
    Lease("default", seconds=60, holder="host:1").hold()

    row = OutboxMessage.objects.get(topic="events")
    assert "No relay is running" in alone
    assert f'href="{reverse("admin:kafka_integration_outboxmessage_change", args=[row.pk])}"' in alone
    assert "No relay is running" not in client.get(page_of(event_id)).content.decode()


def test_what_is_not_reached_yet_says_how_much_comes_before_it_and_what_is_stuck_there() -> None:
    for event_id in "abcdef":
        send(event_id)
    memory_broker().commit("group", "events", 0, 2)
    stuck = {"topic": "events", "partition": 0, "state": "stuck", "stuck_offset": 2, "busy_seconds": 90.0}
    row = make_row(consumers=[{"name": "c", "group": "group", "state": "running", "partitions": [stuck]}])

    page = client_of("view_operations").get(page_of("f")).content.decode()

    assert "messages before it, at most: 3" in page
    assert "/messages/events/?partition=0&amp;start=5" in page
    assert f'href="{reverse("admin:kafka_integration_group", args=["group"])}"' in page
    assert "stuck at offset 2" in page
    assert "/messages/events/?partition=0&amp;start=2" in page
    assert f'/processes/#process-{row.pk}"' in page


def test_what_a_handler_hangs_at_is_in_its_hand() -> None:
    for event_id in "abc":
        send(event_id)
    memory_broker().commit("group", "events", 0, 2)
    stuck = {"topic": "events", "partition": 0, "state": "stuck", "stuck_offset": 2, "busy_seconds": 90.0}
    make_row(consumers=[{"name": "c", "group": "group", "state": "running", "partitions": [stuck]}])

    page = client_of("view_operations").get(page_of("c")).content.decode()

    assert "a handler has it in hand" in page
    assert "stuck at offset 2" in page
    assert "its handler has been at work for 1 min 30 s" in page
    assert "not reached yet" not in page
    assert "messages before it" not in page


def test_what_kafka_refused_says_why_in_short() -> None:
    event_id = publish("events", "v")
    OutboxMessage.objects.update(refused_at=timezone.now(), refusal="too large: " + "x" * 200)

    page = client_of("view_operations").get(page_of(event_id)).content.decode()

    assert "too large: xxx" in page
    assert "x" * 100 not in page


def test_where_a_group_goes_on_is_unknown_and_no_zero_before_its_first_commit() -> None:
    send("a")

    page = client_of("view_operations").get(page_of("a")).content.decode()

    assert "not reached yet" in page
    assert "messages before it" not in page


def test_what_was_not_looked_at_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise BrokerUnavailableError("no broker answers")

    monkeypatch.setattr(sightings, "_look_in", fail)

    page = client_of("view_operations").get(page_of("nowhere")).content.decode()

    assert "There is no such event" in page
    assert "no broker answers" in page


def test_a_database_that_is_away_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr("kafka_integration.operating.events.rows.find_outboxes", fail)

    page = client_of("view_operations").get(page_of("a")).content.decode()

    assert "can&#x27;t be read now: OperationalError" in page


@pytest.mark.parametrize("event_id", ["<script>", "x" * 3000, "\x1b[2J\u202e", "a\nb", "%00", "'\"", "ü" * 100])
def test_an_id_that_somebody_made_up_breaks_nothing(event_id: str) -> None:
    client = client_of("view_operations")

    answers = [client.get(page_of(event_id)), client.get(SEARCH, {"id": event_id})]

    assert {answer.status_code for answer in answers} <= {200, 302, 400, 404}
    assert b'<script>"' not in answers[0].content
    assert not {"\x1b", "\u202e"} & set(answers[0].content.decode().partition("<form")[0])

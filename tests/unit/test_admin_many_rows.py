"""An operation on more rows than a request has time for: page by page, and what is done stays done."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import resolve, reverse
from django.utils import timezone

from kafka_integration.admin import bounded, operated
from kafka_integration.admin import dead_letters as dead_letter_page
from kafka_integration.admin import outbox as outbox_page
from kafka_integration.models import DeadLetter, OutboxMessage
from tests.dead_letters import make_letters

State = DeadLetter.State
LETTERS = reverse("admin:kafka_integration_deadletter_changelist")
OUTBOX = reverse("admin:kafka_integration_outboxmessage_changelist")
PAGE = 10
ALL = 25


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "ROWS_AT_ONCE", PAGE)


@pytest.fixture
def client() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create(username="operator", is_staff=True, is_superuser=True))
    # The reference project publishes logins.
    OutboxMessage.objects.all().delete()
    return client


def do_with_all(client: Client, url: str, action: str, *, across: str = "1") -> HttpResponse:
    row = (DeadLetter if url.startswith(LETTERS) else OutboxMessage).objects.latest("pk")
    data = {"action": f"{action}_selected", "_selected_action": [row.pk], "select_across": across, "index": "0"}
    return client.post(url, data, follow=True)


def add_rows(count: int) -> None:
    refusal = {"refused_at": timezone.now(), "refusal": "too large"}
    OutboxMessage.objects.bulk_create(OutboxMessage(topic="t", key=b"k", **refusal) for _ in range(count))


@pytest.mark.django_db(transaction=True)
def test_what_was_done_before_it_broke_stays_done_and_logged(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make_letters(ALL)
    discard, pages = dead_letter_page.OPERATIONS["discard"], []

    def break_at_the_third(selection: Any, database: str) -> Any:
        pages.append(selection.ids)
        if len(pages) == 3:
            raise RuntimeError("the process is killed")
        return discard(selection, database)

    monkeypatch.setitem(dead_letter_page.OPERATIONS, "discard", break_at_the_third)
    response = do_with_all(client, LETTERS, "discard")

    assert response.status_code == 500
    assert [len(ids) for ids in pages] == [PAGE, PAGE, ALL - 2 * PAGE]
    assert DeadLetter.objects.filter(state=State.DISCARDED).count() == LogEntry.objects.count() == 2 * PAGE


@pytest.mark.django_db
@pytest.mark.parametrize("action", ["replay", "discard", "purge"])
def test_dead_letters_that_a_request_has_no_time_for_are_left_and_said(
    action: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_letters(ALL, state=State.HANDLED if action == "purge" else State.PARKED)
    monkeypatch.setattr(operated, "SECONDS_FOR_A_REQUEST", -1)
    url = f"{LETTERS}?state=all" if action == "purge" else LETTERS

    texts = [do_with_all(client, url, action).content.decode() for _ in range(3)]

    assert ["There are more:" in text for text in texts] == [True, True, False]
    assert LogEntry.objects.count() == ALL


@pytest.mark.django_db
@pytest.mark.parametrize("action", ["retry", "discard"])
def test_outbox_rows_that_a_request_has_no_time_for_are_left_and_said(
    action: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    OutboxMessage.objects.create(topic="t", key=b"k")
    add_rows(ALL - 1 if action == "discard" else ALL)
    monkeypatch.setattr(operated, "SECONDS_FOR_A_REQUEST", -1)

    texts = [do_with_all(client, OUTBOX, action).content.decode() for _ in range(3)]

    assert ["There are more:" in text for text in texts] == [True, True, False]
    assert not OutboxMessage.objects.filter(refused_at__isnull=False).exists()
    assert LogEntry.objects.count() == ALL


@pytest.mark.django_db
def test_what_waits_behind_a_refused_row_is_discarded_before_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_rows(1)
    OutboxMessage.objects.bulk_create(OutboxMessage(topic="t", key=b"k") for _ in range(ALL - 1))
    discard, pages = outbox_page.OPERATIONS["discard"], []

    def note(ids: Any, using: str) -> list[int]:
        pages.append(ids)
        return discard(ids, using)

    monkeypatch.setitem(outbox_page.OPERATIONS, "discard", note)
    do_with_all(client, OUTBOX, "discard")

    assert [id for page in pages for id in page] == sorted((id for page in pages for id in page), reverse=True)
    assert not OutboxMessage.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("across", ["1", "2", "true", "on"])
def test_all_of_a_filter_leaves_discarded_ones_alone_however_it_is_said(across: str, client: Client) -> None:
    make_letters(1, state=State.DISCARDED, settled_at=timezone.now())
    make_letters(ALL)

    do_with_all(client, f"{LETTERS}?state=all", "replay", across=across)

    assert DeadLetter.objects.filter(state=State.REPLAY).count() == ALL


@pytest.mark.parametrize("url", [LETTERS, OUTBOX])
def test_a_list_is_no_transaction_of_its_own_with_atomic_requests(url: str) -> None:
    view = resolve(url).func

    assert connection.alias in view._non_atomic_requests

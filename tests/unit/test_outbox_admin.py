"""The outbox in the admin: what one sees, what one may do, and that it leaves a trace."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from kafka_integration.headers import dump_headers
from kafka_integration.models import OutboxMessage
from kafka_integration.outbox.lease import Lease

pytestmark = pytest.mark.django_db

LIST = reverse("admin:kafka_integration_outboxmessage_changelist")


def add(*, refused: bool = True, value: bytes = b"<b>secret</b>", topic: str = "orders") -> OutboxMessage:
    return OutboxMessage.objects.create(
        topic=topic,
        key=b"key-1",
        value=value,
        headers=dump_headers([("trace", b"<i>")]),
        refused_at=timezone.now() if refused else None,
        refusal="too large <script>" if refused else "",
    )


def sign_in(client: Client, *codenames: str) -> User:
    user = User.objects.create_user("operator", password="x", is_staff=True)
    permissions = Permission.objects.filter(content_type__app_label="kafka_integration", codename__in=codenames)
    assert permissions.count() == len(codenames)
    user.user_permissions.set(permissions)
    rows = set(OutboxMessage.objects.values_list("pk", flat=True))
    client.force_login(user)
    # The reference project publishes logins.
    OutboxMessage.objects.exclude(pk__in=rows).delete()
    return user


def act(client: Client, action: str, *rows: OutboxMessage, follow: bool = True) -> Any:
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    return client.post(LIST, data, follow=follow)


def page(row: OutboxMessage, operation: str = "change") -> str:
    return reverse(f"admin:kafka_integration_outboxmessage_{operation}", args=[row.pk])


def test_the_list_shows_what_was_refused_and_why_but_no_payload(client: Client) -> None:
    sign_in(client, "view_outboxmessage")
    add()
    add(refused=False)

    text = client.get(LIST).content.decode()

    assert text.count('<td class="field-state">refused</td>') == 1
    assert text.count('<td class="field-state">waiting</td>') == 1
    assert "too large &lt;script&gt;" in text
    assert "secret" not in text
    assert "key-1" not in text


def test_the_list_shows_the_beginning_of_a_refusal_in_one_line(client: Client) -> None:
    sign_in(client, "view_outboxmessage")
    OutboxMessage.objects.filter(pk=add().pk).update(refusal="a\nb\x1b" + "x" * 100_000)

    text = client.get(LIST).content.decode()

    assert f"a\\nb\\x1b{'x' * 96}…<" in text
    assert "x" * 97 not in text


@pytest.mark.parametrize(("query", "count"), [("", 2), ("?refused_at__isempty=0", 1), ("?refused_at__isempty=1", 1)])
def test_the_list_can_be_filtered_by_refusal(client: Client, query: str, count: int) -> None:
    sign_in(client, "view_outboxmessage")
    add()
    add(refused=False)

    response = client.get(f"{LIST}{query}")

    assert response.context_data["cl"].result_count == count


def test_the_list_says_how_long_the_oldest_waits_and_that_nobody_relays(client: Client) -> None:
    sign_in(client, "view_outboxmessage")
    OutboxMessage.objects.filter(pk=add(refused=False).pk).update(created_at=Now() - timedelta(seconds=723))

    text = client.get(LIST).content.decode()

    assert "The oldest message has waited for 12 min." in text
    assert "No relay is running" in text
    assert "errornote" in text


def test_nobody_is_blamed_where_nothing_has_waited_for_long(client: Client) -> None:
    sign_in(client, "view_outboxmessage")
    add(refused=False)

    text = client.get(LIST).content.decode()

    assert re.search(r"The oldest message has waited for \d(\.\d)? s\.", text)
    assert "errornote" not in text
    assert "By state" in text


def test_the_list_names_the_relay_that_runs(client: Client) -> None:
    sign_in(client, "view_outboxmessage")
    Lease("default", seconds=60, holder="host:1").hold()

    text = client.get(LIST).content.decode()

    assert "The relay is host:1" in text
    assert "errornote" not in text


def test_key_value_and_headers_need_a_permission_and_are_escaped(client: Client) -> None:
    row = add()
    user = sign_in(client, "view_outboxmessage")

    without = client.get(page(row)).content.decode()
    user.user_permissions.add(Permission.objects.get(codename="view_payload_outboxmessage"))
    shown = client.get(page(row)).content.decode()

    assert "secret" not in without
    assert "&lt;b&gt;secret&lt;/b&gt;" in shown
    assert "key-1" in shown
    assert "<b>secret" not in shown


def test_a_retried_row_is_sent_again_and_logged(client: Client) -> None:
    sign_in(client, "view_outboxmessage", "retry_outboxmessage")
    refused, waiting = add(), add(refused=False)

    text = act(client, "retry_selected", refused, waiting).content.decode()

    refused.refresh_from_db()
    assert (refused.refused_at, refused.refusal) == (None, "")
    assert "1 message will be sent again." in text
    assert "1 was not refused." in text
    assert [entry.object_id for entry in LogEntry.objects.all()] == [str(refused.pk)]


def test_a_discarded_row_is_gone_and_logged(client: Client) -> None:
    sign_in(client, "view_outboxmessage", "discard_outboxmessage")
    refused, waiting, kept = add(), add(refused=False), add()

    act(client, "discard_selected", refused, waiting)

    assert list(OutboxMessage.objects.all()) == [kept]
    assert LogEntry.objects.filter(object_repr__startswith="orders #").count() == 2


def test_a_row_is_discarded_by_a_second_press_below_what_that_means(client: Client) -> None:
    sign_in(client, "view_outboxmessage", "discard_outboxmessage", "retry_outboxmessage")
    row = add()

    text = client.get(page(row)).content.decode()

    asks, _, rest = text.partition("<details")[2].partition("</details>")
    assert "What is discarded is never sent" in asks
    assert page(row, "discard") in asks
    assert page(row, "retry") not in asks
    assert page(row, "discard") not in rest


@pytest.mark.parametrize("name", ["retry", "discard"])
def test_the_page_of_a_row_has_the_same_operations(client: Client, name: str) -> None:
    sign_in(client, "view_outboxmessage", f"{name}_outboxmessage")
    row = add()

    assert page(row, name) in client.get(page(row)).content.decode()
    response = client.post(page(row, name))

    assert response.status_code == 302
    assert not OutboxMessage.objects.filter(refused_at__isnull=False).exists()
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize("name", ["retry", "discard"])
def test_nothing_happens_on_get(client: Client, name: str) -> None:
    sign_in(client, "view_outboxmessage", f"{name}_outboxmessage")
    row = add()

    assert client.get(page(row, name)).status_code == 405
    assert OutboxMessage.objects.filter(refused_at__isnull=False).count() == 1


@pytest.mark.parametrize("name", ["retry", "discard"])
def test_nothing_happens_without_the_permission(client: Client, name: str) -> None:
    sign_in(client, "view_outboxmessage")
    row = add()

    assert client.post(page(row, name)).status_code == 403
    assert act(client, f"{name}_selected", row, follow=False).status_code == 403
    assert OutboxMessage.objects.filter(refused_at__isnull=False).count() == 1


def test_nothing_happens_without_a_csrf_token() -> None:
    client = Client(enforce_csrf_checks=True)
    sign_in(client, "view_outboxmessage", "discard_outboxmessage")
    row = add()

    assert client.post(page(row, "discard")).status_code == 403
    assert OutboxMessage.objects.exists()


@pytest.mark.parametrize("ids", [["x"], ["1; DROP TABLE"], [str(n) for n in range(1001)], ["9" * 30]])
def test_ids_that_are_none_are_refused(client: Client, ids: list[str]) -> None:
    sign_in(client, "view_outboxmessage", "discard_outboxmessage")

    response = client.post(LIST, {"action": "discard_selected", "_selected_action": ids})

    assert response.status_code == 400


def test_a_row_that_is_gone_is_not_found(client: Client) -> None:
    sign_in(client, "view_outboxmessage", "discard_outboxmessage")
    row = add()
    OutboxMessage.objects.all().delete()

    row.pk = 987_654
    assert client.post(page(row, "discard")).status_code == 404


@pytest.mark.parametrize("number", ["-1", "1000000000", "0"])
def test_page_numbers_are_clamped(client: Client, number: str) -> None:
    sign_in(client, "view_outboxmessage")
    add()

    assert client.get(f"{LIST}?p={number}").status_code == 200


def test_nobody_edits_adds_or_deletes_a_row(admin_client: Client) -> None:
    row = add()

    assert admin_client.get(reverse("admin:kafka_integration_outboxmessage_add")).status_code == 403
    assert admin_client.post(page(row), {"topic": "other"}).status_code == 403
    assert admin_client.get(page(row, "delete")).status_code == 403
    assert "delete_selected" not in admin_client.get(LIST).content.decode()

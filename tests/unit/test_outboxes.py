"""`kafkaprocesses outbox`: what waits, who relays it, and which way it goes."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import DatabaseError, connection
from django.db.models.functions import Now
from django.utils import timezone

from kafka_integration.conf import get_settings
from kafka_integration.models import LagSample, OutboxMessage
from kafka_integration.operating import outboxes
from kafka_integration.operating.groups.sampling import Sampling
from kafka_integration.outbox.lease import Lease
from tests.unit.consumers import consumer_settings

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_transport")]


ID_SEQUENCE = {"table": OutboxMessage._meta.db_table, "column": "id"}


@pytest.fixture(autouse=True)
def _empty(settings: Any) -> None:
    settings.KAFKA = consumer_settings()
    OutboxMessage.objects.all().delete()  # the reference project publishes logins


def shown(*options: str) -> str:
    out = StringIO()
    call_command("kafkaprocesses", "outbox", *options, stdout=out)
    return out.getvalue()


def read() -> dict[str, Any]:
    (outbox,) = json.loads(shown("--json"))
    return outbox


def publish(seconds_ago: float = 0, **fields: Any) -> OutboxMessage:
    return OutboxMessage.objects.create(
        topic="orders", value=b"secret", created_at=Now() - timedelta(seconds=seconds_ago), **fields
    )


def relay_all() -> None:
    OutboxMessage.objects.all().delete()


def forget_ids() -> None:
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_by_name_sql(no_style(), [ID_SEQUENCE]):
            cursor.execute(statement)


def note(seconds_ago: float, next_id: int, last_id: int) -> None:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    LagSample.objects.create(group="", at=at, positions={"default": {"0": [next_id, next_id, last_id]}})


def test_what_waits_for_how_long_and_that_nobody_relays_it_is_shown():
    publish(seconds_ago=723)
    publish(refused_at=Now(), refusal="too large")

    head, line = shown().splitlines()

    assert head.split() == ["DATABASE", "WAITING", "OLDEST", "REFUSED", "IN/S", "OUT/S", "RELAY"]
    assert line.split(maxsplit=7) == [
        *("default", "1", "12", "min", "1", "unknown", "unknown"),
        "none runs: start one with manage.py runrelay",
    ]
    assert "secret" not in shown("--json")


def test_programs_get_a_document_of_each_database():
    assert read() == {
        "database": "default",
        "waiting": 0,
        "oldest_seconds": None,
        "refused": 0,
        "in_per_second": None,
        "out_per_second": None,
        "relay": None,
    }


def test_the_relay_that_has_the_lease_is_named():
    assert Lease("default", seconds=60, holder="web-1:7").hold()

    assert read()["relay"] == "web-1:7"


def test_which_way_it_goes_is_told_by_where_it_was_a_minute_ago():
    first, *_, last = [publish().pk for _ in range(10)]
    note(100, first - 200, last - 50)
    note(200, 0, 0)

    found = read()

    assert found["in_per_second"] == pytest.approx(0.5, rel=0.2)
    assert found["out_per_second"] == pytest.approx(2.0, rel=0.2)


def test_an_outbox_that_drains_as_fast_as_it_fills_tells_how_fast_that_is():
    last = publish().pk
    relay_all()
    note(100, last - 199, last - 200)

    found = read()

    assert found["waiting"] == 0
    assert found["in_per_second"] == pytest.approx(2.0, rel=0.2)
    assert found["out_per_second"] == pytest.approx(2.0, rel=0.2)


def test_an_outbox_in_which_nothing_is_published_stands_at_zero():
    last = publish().pk
    relay_all()
    note(100, last + 1, last)

    found = read()

    assert (found["in_per_second"], found["out_per_second"]) == (0.0, 0.0)


def test_before_anything_was_published_it_is_at_its_beginning():
    forget_ids()

    Sampling(get_settings()).turn()

    assert LagSample.objects.get(group="").positions == {"default": {"0": [1, 1, 0]}}


def test_where_ids_began_anew_it_is_unknown_how_fast_it_goes():
    last = publish().pk
    note(100, last + 50, last + 50)

    assert (read()["in_per_second"], read()["out_per_second"]) == (None, None)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no roles")
def test_a_database_user_who_may_not_see_the_ids_leaves_it_unknown():
    last = publish().pk
    relay_all()
    note(100, last, last)
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE outbox_reader")
        cursor.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO outbox_reader")
        cursor.execute("SET LOCAL ROLE outbox_reader")

        found = read()

    assert (found["waiting"], found["in_per_second"], found["out_per_second"]) == (0, None, None)


def test_a_refused_row_does_not_hold_up_what_is_told_of_the_others():
    refused, waiting = publish(refused_at=Now(), refusal="too large").pk, publish().pk
    note(100, refused - 99, waiting - 100)

    assert read()["out_per_second"] == pytest.approx(1.0, rel=0.2)


def test_processes_note_where_each_outbox_is():
    first, last = publish().pk, publish().pk

    Sampling(get_settings()).turn()

    assert LagSample.objects.get(group="").positions == {"default": {"0": [first, first, last]}}


def test_they_note_it_where_the_settings_have_no_consumers_too(settings):
    settings.KAFKA = {"endpoints": "memory"}
    publish()

    Sampling(get_settings()).turn()

    assert LagSample.objects.get().positions.keys() == {"default"}


def test_an_outbox_that_cannot_be_asked_keeps_nothing_else_from_being_noted(monkeypatch):
    def fail(alias: str) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(outboxes, "find_backlog", fail)

    Sampling(get_settings()).turn()

    assert LagSample.objects.get(group="").positions == {}
    assert LagSample.objects.get(group="group").positions is not None


def test_without_its_table_it_is_said_how_to_make_it(monkeypatch):
    monkeypatch.setattr(outboxes, "has_table", lambda alias, model: model is not OutboxMessage)

    assert "no table: manage.py migrate --database default" in shown()

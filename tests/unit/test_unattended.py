"""`kafkaprocesses list` says what should be done and nobody does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.db.models.functions import Now

from kafka_integration.models import OutboxMessage
from kafka_integration.operating import unattended
from tests.unit.consumers import consumer_settings
from tests.unit.live import listed, make_row, shown

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_transport")]

CONSUMER = {"name": "c", "group": "g", "state": "running", "handled": 1, "failed": 0, "rate": None, "partitions": []}


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    settings.KAFKA = consumer_settings()
    OutboxMessage.objects.all().delete()  # the reference project publishes logins


def publish(seconds_ago: float) -> None:
    OutboxMessage.objects.create(topic="orders", value=b"secret", created_at=Now() - timedelta(seconds=seconds_ago))


def make_lost() -> None:
    make_row(consumers=[CONSUMER], seen_at=Now() - timedelta(minutes=10))


def test_where_all_is_well_nothing_is_added():
    make_row(consumers=[CONSUMER])
    publish(seconds_ago=1)

    assert len(shown().splitlines()) == 3


def test_a_consumer_that_only_a_lost_process_ran_is_named():
    make_lost()

    assert shown().splitlines()[-1] == "No process runs consumer c: start one with manage.py runconsumer c."
    assert [row["state"] for row in listed()] == ["lost"]


def test_where_nothing_runs_at_all_the_consumers_are_named():
    assert "No process runs consumer c" in shown()


def test_a_consumer_that_is_switched_off_is_not_missed(settings):
    settings.KAFKA = consumer_settings(enabled=False)

    assert "No process runs" not in shown()


def test_where_processes_write_nothing_down_it_is_said_that_nothing_is_known(settings):
    settings.KAFKA = {**consumer_settings(), "operations": {"rows": False}}

    assert 'KAFKA["operations"]["rows"] is False' in shown()
    assert "No process runs" not in shown()


def test_messages_that_wait_without_a_relay_are_told_of():
    make_row(consumers=[CONSUMER])
    publish(seconds_ago=723)

    assert shown().splitlines()[-1] == (
        "Messages published in database default wait for 12 min, and no relay runs: start one with manage.py runrelay."
    )


def test_an_outbox_that_cannot_be_asked_is_unknown_and_the_processes_are_shown(monkeypatch):
    def fail(alias: str) -> None:
        raise DatabaseError("away")

    make_row(consumers=[CONSUMER])
    monkeypatch.setattr(unattended, "find_backlog", fail)

    lines = shown().splitlines()

    assert "c (group g): running" in lines[2]
    assert lines[-1].startswith("Whether a relay runs on database default can't be seen:")


def test_of_a_lost_process_it_is_said_that_this_is_what_it_said_last():
    make_lost()

    assert [" ".join(line.split()) for line in shown().splitlines()[2:4]] == [
        "it said last:",
        "c (group g): running, 1 handled, owns no partition",
    ]

"""What a process of relays says of its outboxes, and whether it is alive and ready."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from kafka_integration import publish
from kafka_integration.conf import get_settings
from kafka_integration.models import OutboxMessage
from kafka_integration.operating.monitoring import relays
from kafka_integration.operating.monitoring.relays import Relays
from kafka_integration.outbox.relay import Relay
from tests.waiting import wait_for

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def relay(monkeypatch):
    monkeypatch.setattr("kafka_integration.operating.monitoring.asking.LOOK_SECONDS", 0.05)
    relay = Relay("default", get_settings())
    yield relay
    relay.finish()


def values(watched: Relays) -> dict[str, float]:
    return {
        sample.family.removeprefix("kafka_integration_"): sample.value
        for sample in watched.samples()
        if ("database", "default") in sample.labels
    }


def test_what_waits_is_counted_refused_rows_too(relay):
    for _ in range(3):
        publish("events", "a", key="k")
    first = OutboxMessage.objects.order_by("id").first()
    OutboxMessage.objects.filter(pk=first.pk).update(refused_at=Now(), refusal="too large")
    OutboxMessage.objects.update(created_at=Now() - timedelta(seconds=30))
    watched = Relays([relay])

    with watched.asking():
        wait_for(lambda: values(watched).get("outbox_rows") == 3)

    told = values(watched)
    assert told["outbox_refused_rows"] == 1
    assert 29.9 <= told["outbox_oldest_seconds"] < 60
    assert told["relay_active"] == 0


def test_a_relay_that_sends_says_so_and_counts_what_arrived(relay):
    publish("events", "a")
    watched = Relays([relay])
    assert watched.health().not_ready == ("the relay of database default has not looked at its outbox since the start",)

    wait_for(lambda: relay._run_turn(once=True))

    told = values(watched)
    assert told["relay_active"] == 1
    assert told["relayed_total"] == 1
    assert watched.health().is_ready


def test_an_outbox_that_cannot_be_asked_for_is_unknown(relay, monkeypatch):
    def fail(alias):
        raise OperationalError("it is away")

    monkeypatch.setattr(relays, "find_backlog", fail)
    watched = Relays([relay])

    with watched.asking():
        wait_for(lambda: watched.health().is_alive)

    assert set(values(watched)) == {"relay_active", "relayed_total"}


def test_a_relay_that_does_not_turn_is_not_alive_unless_its_database_does_not_answer(relay, monkeypatch):
    watched = Relays([relay])
    with watched.asking():
        wait_for(lambda: "outbox_rows" in values(watched))
    beat_at = relay.pulse.beat_at
    monkeypatch.setattr(relays, "monotonic", lambda: beat_at + 31)

    assert watched.health().not_alive == ("the relay of database default has not turned for 31 s",)

    monkeypatch.setattr("kafka_integration.operating.monitoring.asking.Answers.is_waiting", True)
    assert watched.health().is_alive

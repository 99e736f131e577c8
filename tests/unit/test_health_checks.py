"""Checks for django-health-check: what a web server says of Kafka, of its outbox and of dead letters."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError
from django.db.models.functions import Now
from django.test import RequestFactory
from health_check.exceptions import ServiceUnavailable, ServiceWarning
from health_check.views import HealthCheckView

from kafka_integration import health, publish
from kafka_integration.models import OutboxMessage
from tests.dead_letters import make_letters

CHECKS = ("kafka_integration.health.Brokers", "kafka_integration.health.Outbox", "kafka_integration.health.DeadLetters")


@pytest.fixture(autouse=True)
def project(memory_transport):
    """One whose broker is in memory."""


def test_a_broker_that_answers_is_well():
    health.Brokers().run()


def test_a_broker_that_cannot_be_reached_is_said_with_what_to_look_at(settings):
    settings.KAFKA = {"endpoints": "127.0.0.1:1"}

    with pytest.raises(ServiceUnavailable, match=r"no broker can be reached .* names it"):
        health.Brokers().run()


@pytest.mark.django_db
def test_an_outbox_without_anything_old_is_well():
    publish("events", "a")

    health.Outbox().run()


@pytest.mark.django_db
def test_rows_that_age_without_a_relay_are_said():
    publish("events", "a")
    OutboxMessage.objects.update(created_at=Now() - timedelta(seconds=20))

    with pytest.raises(ServiceUnavailable, match=r"wait for 2\d s, and no relay is running"):
        health.Outbox().run()


@pytest.mark.django_db
def test_refused_rows_are_a_warning():
    publish("events", "a")
    OutboxMessage.objects.update(refused_at=Now(), refusal="too large")

    with pytest.raises(ServiceWarning, match="1 messages were refused"):
        health.Outbox().run()


@pytest.mark.django_db
def test_dead_letters_are_a_warning_from_the_number_on_that_is_given():
    make_letters(2)

    health.DeadLetters(most=2).run()
    with pytest.raises(ServiceWarning, match="Dead letters that wait for a decision: more than 1, see the admin"):
        health.DeadLetters(most=1).run()


def test_a_database_that_fails_is_named_and_what_it_says_is_not_shown(monkeypatch):
    def fail(alias):
        raise OperationalError("password of somebody is wrong")

    monkeypatch.setattr(health, "find_backlog", fail)

    with pytest.raises(ServiceUnavailable, match='Database "default" fails') as caught:
        health.Outbox().run()
    assert "password" not in str(caught.value)


@pytest.mark.django_db(transaction=True)
def test_the_view_takes_all_of_them():
    view = HealthCheckView.as_view(checks=CHECKS)

    answer = async_to_sync(view)(RequestFactory().get("/health", {"format": "json"}))

    assert answer.status_code == 200, answer.content
    assert set(json.loads(answer.content).values()) == {"OK"}

"""Dead letters in several databases: each consumer's in its own, and ids that mean one of them only."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.conf import settings as django_settings
from django.contrib.admin.models import LogEntry
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from django.urls import reverse

from kafka_integration.checks import TAG
from kafka_integration.conf import get_settings
from kafka_integration.models import DeadLetter
from kafka_integration.outbox.databases import find_outboxes
from tests.dead_letters import make_letter
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

LIST = reverse("admin:kafka_integration_deadletter_changelist")
CONSUMER = {"topics": ["t"], "message_handler": "tests.unit.scripted.handle"}


@pytest.fixture
def other(project_alone, settings, monkeypatch, tmp_path):
    """A second database with the tables, and a consumer for each."""
    second = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "other.sqlite3")}
    monkeypatch.setitem(django_settings.DATABASES, "other", second)
    connections.configure_settings(django_settings.DATABASES)
    settings.KAFKA = {
        "endpoints": "memory",
        "consumers": {
            "a": {**CONSUMER, "consumer_group": "a"},
            "b": {**CONSUMER, "consumer_group": "b", "database": "other"},
        },
    }
    # Before Django's test case is asked, which knows only the databases of the settings.
    connections["other"].connect()
    call_command("migrate", "kafka_integration", database="other", verbosity=0)
    yield "other"
    connections["other"].close()
    del connections["other"]


@pytest.fixture
def client():
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def twins(other):
    """Two dead letters of one id."""
    letter = make_letter(topic="near", failed_at=at(1))
    return letter, make_letter(topic="far", pk=letter.pk, using=other, failed_at=at(0))


def at(minute):
    return datetime(2026, 1, 1, 12, minute, tzinfo=UTC)


def run(*arguments):
    output = StringIO()
    call_command("kafkadeadletters", *arguments, stdout=output)
    return output.getvalue()


def states(letters):
    return [DeadLetter.objects.using(letter._state.db).get(pk=letter.pk).state for letter in letters]


def test_the_list_is_of_all_databases_unless_one_is_named(twins):
    def topics(*arguments):
        return [letter["topic"] for letter in json.loads(run("list", "--json", *arguments))]

    assert topics() == ["near", "far"]
    assert topics("--database", "other") == ["far"]


def test_those_of_a_database_that_no_consumer_has_any_more_stay_in_the_list(twins, settings, client):
    settings.KAFKA = {"endpoints": "memory", "consumers": {"a": {**CONSUMER, "consumer_group": "a"}}}

    assert [letter["topic"] for letter in json.loads(run("list", "--json"))] == ["near", "far"]
    run("discard", twins[1].pk, "--database", "other")
    assert states(twins) == ["parked", "discarded"]
    assert "far" in client.get(LIST, {"database": "other", "state": "all"}).content.decode()


def test_a_database_without_dead_letters_that_no_consumer_has_is_none_of_them(other, settings):
    settings.KAFKA = {"endpoints": "memory", "consumers": {"a": {**CONSUMER, "consumer_group": "a"}}}
    make_letter()

    assert "--database" not in run("list")


@pytest.mark.parametrize("engine", ["django.db.backends.oracle", "no.such.engine"])
def test_a_database_whose_driver_is_not_installed_keeps_no_others_from_the_list(
    memory_transport, settings, monkeypatch, client, engine
):
    monkeypatch.setitem(django_settings.DATABASES, "legacy", {"ENGINE": engine, "NAME": "legacy"})
    connections.configure_settings(django_settings.DATABASES)
    settings.KAFKA = {"endpoints": "memory", "consumers": {"a": {**CONSUMER, "consumer_group": "a"}}}
    make_letter(topic="near")

    assert [letter["topic"] for letter in json.loads(run("list", "--json"))] == ["near"]
    assert "near" in client.get(LIST).content.decode()
    assert "legacy" not in find_outboxes(get_settings())
    # Ours: from 6.1 on Django's own load the driver of each database.
    assert not [problem for problem in run_checks(tags=[TAG]) if str(problem.id).startswith("kafka_integration.E")]


def test_another_way_to_the_same_dead_letters_shows_none_of_them_twice(twins, settings):
    near, far = twins
    settings.KAFKA = {"endpoints": "memory", "consumers": {"a": {**CONSUMER, "consumer_group": "a"}}}
    fields = {field.name: getattr(near, field.name) for field in DeadLetter._meta.fields}
    DeadLetter.objects.using(far._state.db).filter(pk=far.pk).update(**fields)

    assert [letter["topic"] for letter in json.loads(run("list", "--json"))] == ["near"]


def test_the_list_is_of_the_newest_of_all_databases(other):
    for minute in range(6):
        make_letter(topic=f"t{minute}", using=other if minute in (1, 2, 5) else "default", failed_at=at(minute))

    def topics(*arguments):
        return [letter["topic"] for letter in json.loads(run("list", "--json", *arguments))]

    assert topics() == ["t5", "t4", "t3", "t2", "t1", "t0"]
    assert topics("--limit", "4") == ["t5", "t4", "t3", "t2"]
    assert topics("--limit", "2", "--database", "default") == ["t4", "t3"]


def test_a_line_names_the_database_where_there_are_several(twins):
    first, second = run("list").splitlines()

    assert first.endswith("--database default")
    assert second.endswith("--database other")
    assert "--database" not in run("list", "--database", "other")


def test_an_id_asks_for_its_database(twins):
    with pytest.raises(CommandError, match="--database default or other"):
        run("replay", twins[0].pk)

    run("replay", twins[0].pk, "--database", "other")

    assert states(twins) == ["parked", "replay"]


def test_filters_reach_every_database(twins):
    run("discard", "--all")

    assert states(twins) == ["discarded", "discarded"]


def test_purge_reaches_every_database(twins):
    run("discard", "--all")

    assert "2 deleted" in run("purge", "--older-than", "0")


def test_the_admin_shows_one_database_and_offers_the_other(twins, client):
    first, second = client.get(LIST).content.decode(), client.get(LIST, {"database": "other"}).content.decode()

    assert "near[0]@" in first
    assert "far[0]@" not in first
    assert "?database=other" in first
    assert "far[0]@" in second
    assert "near[0]@" not in second


def test_the_links_of_the_list_stay_in_their_database(twins, client):
    page = client.get(LIST, {"database": "other"}).content.decode()

    (link,) = re.findall(rf'href="[^"]*/{twins[1].pk}/change/\?([^"]*)"', page)
    assert "database=other" in link.split("&amp;")


def test_a_button_acts_on_the_database_of_its_page(twins, client):
    page = reverse("admin:kafka_integration_deadletter_change", args=[twins[1].pk])
    button = reverse("admin:kafka_integration_deadletter_replay", args=[twins[1].pk])

    assert f"{button}?database=other" in client.get(page, {"database": "other"}).content.decode()
    answer = client.post(f"{button}?database=other")

    assert answer["Location"] == f"{page}?database=other"
    assert states(twins) == ["parked", "replay"]
    assert LogEntry.objects.get().object_repr == str(twins[1])


def test_an_action_acts_on_the_database_of_its_list(twins, client):
    client.post(f"{LIST}?database=other", {"action": "discard_selected", "_selected_action": [twins[1].pk]})

    assert states(twins) == ["parked", "discarded"]


def test_a_database_without_dead_letters_is_not_asked(twins, client):
    assert "near[0]@" in client.get(LIST, {"database": "nowhere"}).content.decode()

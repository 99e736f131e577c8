"""What the admin shows goes through gettext: a project can have it in its language, and in its own words."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import capfirst

import kafka_integration
from kafka_integration.admin.dead_letters import DeadLetterAdmin
from kafka_integration.admin.outbox import OutboxAdmin
from kafka_integration.models import DeadLetter, OutboxMessage
from tests.catalogues import as_mo
from tests.dead_letters import make_letter
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

GERMAN = {
    "dead letter": "Irrläufer",
    "dead letters": "Irrläufer",
    "consumer group": "Verbrauchergruppe",
    "parked": "geparkt",
    "Since then": "Seither",
    "Replay": "Wiederholen",
    "Replay selected dead letters": "Ausgewählte wiederholen",
    "Waiting for somebody": "Wartet auf jemanden",
    "(null)": "(nichts)",
    "(hexadecimal: not UTF-8)": "(hexadezimal: kein UTF-8)",
    "(%d bytes in all)": "(%d Byte im Ganzen)",
}


@pytest.fixture
def german(settings, tmp_path):
    mo = tmp_path / "de" / "LC_MESSAGES" / "django.mo"
    mo.parent.mkdir(parents=True)
    mo.write_bytes(as_mo({"": "Content-Type: text/plain; charset=UTF-8\n", **GERMAN}))
    settings.LOCALE_PATHS = [tmp_path]
    settings.LANGUAGE_CODE = "de"


@pytest.mark.usefixtures("german")
def test_the_pages_of_dead_letters_can_be_translated(client):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    letter = make_letter(key=None, value=b"\xff" * 20_000)

    shown = client.get(reverse("admin:kafka_integration_deadletter_changelist")).content.decode()
    shown += client.get(reverse("admin:kafka_integration_deadletter_change", args=[letter.pk])).content.decode()

    for text in GERMAN.values():
        assert (text % 20_000 if "%d" in text else text) in shown or capfirst(text) in shown


@pytest.mark.parametrize("page", [DeadLetterAdmin, OutboxAdmin])
def test_everything_that_a_page_is_labelled_with_is_translated_when_it_is_shown(page, rf):
    model = DeadLetter if page is DeadLetterAdmin else OutboxMessage
    request = rf.get("/")
    request.user = UserFactory(is_superuser=True)
    admin = page(model, None)
    fieldsets = admin.get_fieldsets(request)
    methods = [getattr(page, name) for _, options in fieldsets for name in options["fields"] if hasattr(page, name)]
    methods += [getattr(page, name) for name in (*page.list_display, *page.actions) if hasattr(page, name)]

    labels = [model._meta.verbose_name, model._meta.verbose_name_plural, *page.operations.values()]
    labels += [title for title, _ in fieldsets]
    labels += [method.short_description for method in methods]
    labels += [name for _, name in model._meta.permissions]
    labels += [field.verbose_name for field in model._meta.concrete_fields if not field.primary_key]
    labels += [each.title for each in page.list_filter if isinstance(each, type)]

    assert [label for label in labels if not isinstance(label, Promise)] == []


def test_commands_and_checks_are_english():
    folders = [Path(kafka_integration.__file__).with_name(name) for name in ("management", "checks", "conf")]
    translated = [file for folder in folders for file in folder.rglob("*.py") if "gettext" in file.read_text()]

    assert translated == []

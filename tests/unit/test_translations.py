"""What the admin shows goes through gettext: a project can have it in its language."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import capfirst

import kafka_integration
from kafka_integration.admin.dead_letters import DeadLetterAdmin
from kafka_integration.admin.outbox import OutboxAdmin
from kafka_integration.models import DeadLetter, OutboxMessage
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


def write_catalogue(path, texts):
    """A .mo file, as msgfmt would write it."""
    pairs = sorted({"": "Content-Type: text/plain; charset=UTF-8\n", **texts}.items())
    offset = 28 + 16 * len(pairs)
    tables, strings = [], b""
    for column in (0, 1):
        for pair in pairs:
            data = pair[column].encode()
            tables.append(struct.pack("<II", len(data), offset + len(strings)))
            strings += data + b"\0"
    header = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    path.parent.mkdir(parents=True)
    path.write_bytes(header + b"".join(tables) + strings)


@pytest.fixture
def german(settings, tmp_path):
    write_catalogue(tmp_path / "de" / "LC_MESSAGES" / "django.mo", GERMAN)
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

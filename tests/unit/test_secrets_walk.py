"""A secret of the settings is told by no page, command, log or debug page, also when no broker answers."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views.debug import ExceptionReporter

from kafka_integration.client.metadata import patience
from tests.unit.consumers import HANDLER

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("project_alone")]

SECRETS = ("planted-sasl-4111", "planted-tls-4111")
PAGES = (
    *(("overview",), ("processes",), ("groups",), ("group", "group"), ("topics",), ("topic", "orders")),
    *(("messages", "orders"), ("event", "x")),
)
COMMANDS = (
    *(("kafkagroups", "list"), ("kafkagroups", "lag", "group"), ("kafkatopics", "plan"), ("kafkatopics", "health")),
    *(("kafkaevents", "x"), ("runconsumer", "--list"), ("kafkaprocesses", "list"), ("check",), ("check", "--deploy")),
)


@pytest.fixture(autouse=True)
def nobody_answers(settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    password, key_password = SECRETS
    settings.KAFKA = {
        "endpoints": "127.0.0.1:1",
        "ssl": True,
        "sasl": {"mechanism": "plain", "login": "ann", "password": password},
        "config": {"ssl.key.password": key_password},
        "consumers": {"c": {"topics": ["orders"], "consumer_group": "group", "message_handler": HANDLER}},
    }
    monkeypatch.setattr(patience, "LEAST_SECONDS", 0.2)
    monkeypatch.setattr(patience, "MOST_SECONDS", 0.2)
    caplog.set_level("DEBUG")


def test_no_page_tells_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))

    pages = {page: client.get(reverse(f"admin:kafka_integration_{page[0]}", args=page[1:])) for page in PAGES}

    assert {page.status_code for page in pages.values()} == {200}
    assert b"errornote" in pages["topics",].content
    assert told_in(page.content.decode() for page in pages.values()) == told_in([caplog.text]) == []


def test_no_command_tells_a_secret_nor_does_a_debug_page_of_its_error(
    caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.DEBUG = True
    printed: list[str] = []
    failed = 0

    for name, *arguments in COMMANDS:
        out, err = StringIO(), StringIO()
        try:
            call_command(name, *arguments, stdout=out, stderr=err)
        except CommandError as error:
            failed += 1
            reporter = ExceptionReporter(RequestFactory().get("/"), type(error), error, error.__traceback__)
            printed += [str(error), reporter.get_traceback_html(), reporter.get_traceback_text()]
        printed += [out.getvalue(), err.getvalue()]

    assert failed >= 2
    assert told_in(printed) == told_in([caplog.text]) == []


def told_in(texts: Any) -> list[str]:
    """The secrets that are in any of the texts, with what stands around them."""
    return [text[max(0, at - 80) : at + 40] for text in texts for at in _places_in(text)]


def _places_in(text: str) -> Iterator[int]:
    yield from (text.index(secret) for secret in SECRETS if secret in text)

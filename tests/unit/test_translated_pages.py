"""The pages in another language: all that they say is looked up in it, while commands keep to English."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta
from functools import cache
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from kafka_integration.admin.pages import PAGES
from kafka_integration.admin.pages.page import Page
from kafka_integration.client.metadata.topic_configs import TopicConfigs
from kafka_integration.client.transports.memory import MemoryBroker
from kafka_integration.models import DeadLetter, LagSample, OutboxMessage, Process, ProcessCommand
from kafka_integration.operating.events import rows
from tests import catalogues
from tests.catalogues import LANGUAGES
from tests.dead_letters import make_letter
from tests.unit.consumers import HANDLER

pytestmark = pytest.mark.django_db

MARKED = re.compile(r"⟦[^⟦⟧]*⟧")
DOTTED = re.compile(r"\w+(?:[.-]\w+)+")
"""A name of Kafka's, or of a class."""
WORD = re.compile(r"[^\W\d_]{2,}")
# A database, a unit, the parts of a header, a setting's value.
NAMES = {"default", "ms", "ce", "id", "delete"}
# On its own pages Django leaves in English: the first always, the others from 6.1 on.
ENGLISH_OF_DJANGO = {"Search", "Select", "option", "Pagination"}


PAGES_IN_A_LANGUAGE = ("overview", "groups", "group", "topics", "django's deadletters")
COMMANDS = (
    "kafkadeadletters list --state all",
    "kafkaevents i1",
    "kafkagroups reset g1 --to 99",
    "kafkatopics plan",
    "kafkatopics health --json",
)


class Texts(HTMLParser):
    """What a page shows and says: its texts, and the attributes that are read out or stand in fields."""

    SPOKEN = ("aria-label", "placeholder", "title", "data-label", "alt")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._within: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        names = (*self.SPOKEN, "value") if given.get("type") == "submit" else self.SPOKEN
        self.found += [text for name in names if (text := given.get(name))]
        if tag in ("script", "style", "pre", "time"):
            self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._within and tag == self._within[-1]:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if not self._within and data.strip():
            self.found.append(data.strip())


@pytest.fixture
def urls(
    client: Client, settings: Any, memory_transport: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The addresses of all pages, for a client that may see them, with something of everything on each."""
    monkeypatch.setattr(rows, "MOST_ROWS", 1)  # so that an event's page says of what it didn't look at
    consumer = {"message_handler": HANDLER, "consumer_group": "g1"}
    settings.KAFKA = {
        "endpoints": "memory",
        "topics": {
            "t1": {"partitions": 1, "replication_factor": 2, "config": {"retention.ms": 1000}},
            "t2": {"partitions": 2, "config": {"cleanup.policy": "compact"}},
            "t3": {"partitions": 6},
        },
        "consumers": {
            "c1": {**consumer, "topics": ["t1"], "deduplicate": True, "dead_letter_topic": "t3"},
            "c2": {**consumer, "topics": ["t2"], "consumer_group": "g2", "enabled": False},
        },
    }
    client.force_login(User.objects.create_superuser("o1"))
    memory_transport.create_topic("t1", 2)
    memory_transport.create_topic("t3", 1)
    for number in range(3):
        memory_transport.produce("t1", str(number), key="k1", partition=0, headers=[("ce_id", b"i1")])
    memory_transport.commit("g1", "t1", 0, 2)
    _processes()
    for state in DeadLetter.State.values:
        make_letter(
            state=state,
            consumer="c3",
            group="g3",
            topic="t1",
            exception="e1",
            key=None,
            value=b"\xff" * 20_000,
            event_id="i1",
        )
    OutboxMessage.objects.all().delete()
    old = Now() - timedelta(hours=1)
    OutboxMessage.objects.create(topic="t1", value=b"", created_at=old)
    OutboxMessage.objects.create(topic="t1", refused_at=Now(), created_at=old)
    for ago in (60, 120, 180):
        LagSample.objects.create(group="g1", at=timezone.now() - timedelta(seconds=ago), lag=ago)
    given = {"group": "g1", "topic": "t1", "id": "i1"}
    urls = {page.name: _url(page.name, **_arguments(page, given)) for page in PAGES}
    urls["reset"] = f"{urls['group']}?to=earliest"
    for model in (DeadLetter, OutboxMessage):
        name = model._meta.model_name
        urls[f"django's {name}s"] = _url(f"{name}_changelist") + "?state=all" * (model is DeadLetter)
        urls[f"django's {name}"] = _url(f"{name}_change", object_id=model.objects.first().pk)
    return urls


def _url(name: str, **arguments: Any) -> str:
    return reverse(f"admin:kafka_integration_{name}", kwargs=arguments)


def _arguments(page: type[Page], given: dict[str, str]) -> dict[str, str]:
    return {name: given[name] for name in re.findall(r"<\w+:(\w+)>", page.route)}


def _processes() -> None:
    states = [("stuck", None), ("falling_behind", None), ("catching_up", None), ("caught_up", None), ("unowned", None)]
    states += [("waiting", reason) for reason in ("backoff", "outage", "paused", "handler", "draining")]
    partitions = [
        {"topic": "t1", "partition": number, "position": None, "lag": 700, "state": state, "reason": reason,
         "stuck_offset": 7 if state == "stuck" and number == 0 else None, "time_lag_seconds": 90_061.0}
        for number, (state, reason) in enumerate(states)
    ]  # fmt: skip
    consumer = {"name": "c1", "group": "g1", "state": "running", "handled": 7, "failed": 1, "rate": 2.5}
    owner = {**consumer, "partitions": partitions}
    for state in ("starting", "running", "quiet", "draining"):
        Process.objects.create(kind="consumer", host="h1", pid=7, state=state, consumers=[owner])
    Process.objects.create(kind="relay", host="h1", pid=8, state="standing_by")
    lost = Process.objects.create(kind="relay", host="h1", pid=9, state="running", seen_at=Now() - timedelta(hours=1))
    for name in ("pause", "resume", "quiet", "stop", "trace", "reset"):
        ProcessCommand.objects.create(process=lost, name=name, state="failed", arguments={"consumer": "c1"})


def shown(client: Client, urls: dict[str, str]) -> dict[str, list[str]]:
    """What pages say, without what is Django's around it."""
    found = {}
    for name, url in urls.items():
        response = client.get(url)
        assert (name, response.status_code) == (name, 200)
        content = response.content.decode().partition('<div id="content"')[2].partition("<footer")[0]
        found[name] = Texts(f"<div {content}").found
    return found


def test_no_page_shows_a_text_that_is_not_looked_up(
    client: Client, urls: dict[str, str], settings: Any, tmp_path: Path
) -> None:
    settings.LOCALE_PATHS, settings.LANGUAGE_CODE = [tmp_path], "de"
    marked = Catalog(locale="de")
    for message in catalogues.texts(catalogues.texts_of(catalogues.PACKAGE)):
        ids = message.id if message.pluralizable else (message.id,)
        strings = tuple(f"⟦{id}⟧" for id in ids)
        marked.add(message.id, strings if message.pluralizable else strings[0], context=message.context)
    mo = tmp_path / "de" / "LC_MESSAGES" / "django.mo"
    mo.parent.mkdir(parents=True)
    mo.write_bytes(catalogues.as_mo(catalogues.compiled(marked)))

    found = shown(client, urls)

    left = {name: _left(texts, django=name.startswith("django")) for name, texts in found.items()}
    assert {name: words for name, words in left.items() if words} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_are_in_the_language(language: str, client: Client, urls: dict[str, str], settings: Any) -> None:
    settings.LANGUAGE_CODE = translation.to_language(language)
    catalogue = catalogues.read(language)

    found = shown(client, {name: urls[name] for name in PAGES_IN_A_LANGUAGE})

    english = {each.id for each in catalogues.texts(catalogue) if not each.pluralizable and each.id != each.string}
    # A word alone may be a name, or another language's too.
    sentences = {text for text in english if " " in text}
    assert {name: sentences.intersection(texts) for name, texts in found.items()} == {name: set() for name in found}
    assert catalogue.get("Needs you").string in found["overview"]


def test_why_settings_of_topics_are_unknown_is_said_in_the_language_of_who_reads_it(
    client: Client, urls: dict[str, str], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TopicConfigs, "ask", lambda configs, topics: {})
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]

    page = client.get(urls["group"], headers={"accept-language": "de"}).content.decode()
    settings.LANGUAGE_CODE = "de"
    command = printed("kafkagroups lag g1")

    assert "Gewähren Sie diesem Benutzer DESCRIBE_CONFIGS" in page
    assert "grant this user DESCRIBE_CONFIGS" in command


@pytest.mark.usefixtures("urls")
@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_command_prints_is_english(command: str, settings: Any) -> None:
    english = printed(command)

    settings.LANGUAGE_CODE = "de"

    assert printed(command) == english


def printed(command: str) -> str:
    out = StringIO()
    with suppress(CommandError):
        call_command(*command.split(), stdout=out, stderr=out)
    assert out.getvalue()
    return out.getvalue()


def _left(found: list[str], *, django: bool) -> set[str]:
    """The words of a page that were not looked up; on a page of Django's own, those that aren't German either."""
    rest = DOTTED.sub(" ", "\n".join(found))
    while MARKED.search(rest):
        rest = MARKED.sub(" ", rest)
    return set(WORD.findall(rest)) - NAMES - (_german_of_django() | ENGLISH_OF_DJANGO if django else set())


@cache
def _german_of_django() -> set[str]:
    with translation.override("de"):
        catalogue = translation.trans_real.catalog()._catalog
        return {word for each in catalogue._catalogs for text in each.values() for word in WORD.findall(text)}

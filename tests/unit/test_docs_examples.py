"""What pages show in Python runs: as a project of its own, or by a test that is named here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import override_settings

from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.operating.groups import listing as groups
from kafka_integration.operating.groups import texts as partitions
from kafka_integration.signals import message_parked
from kafka_integration.testing import captured_messages
from tests.guides import FILE, blocks_of
from tests.processes import PROJECT
from tests.unit.kafka_settings import CONSUMER, problems_of, with_consumer

DOCS = PROJECT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), PROJECT / "README.md", PROJECT / "examples" / "minimal" / "README.md"]
SETTINGS = re.compile(r"^KAFKA = ", re.MULTILINE)
# What belongs into a dict of the settings.
FRAGMENT = re.compile(r'"\w+": \{')

IN_A_PROJECT = ("from-celery", "keys-and-partitions", "publish", "several-databases", "sinks", "trace")
HERE = ("dead-letters", "from-confluent-kafka", "monitor", "run-consumers", "settings", "web-servers-and-workers")
ELSEWHERE = {
    "produce": "tests/unit/test_produce_guide.py",
    "schemas": "tests/unit/test_schemas.py",
    "test-your-handlers": "tests/unit/test_testing_plugin.py",
    "write-handlers": "tests/unit/test_handlers_guide.py",
}

HEROKU = {
    "KAFKA_URL": "kafka+ssl://kafka-1.example.com:9096",
    "KAFKA_TRUSTED_CERT": "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----",
    "KAFKA_CLIENT_CERT": "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----",
    "KAFKA_CLIENT_CERT_KEY": "-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----",
}


def examples_of(page: str) -> list[str]:
    (path,) = DOCS.rglob(f"{page}.md")
    return [body for language, body in blocks_of(path.read_text()) if language == "python"]


def shown(is_one: Callable[[str], Any]) -> list[Any]:
    """The examples of all pages that are of a kind; what walkers write into files aside."""
    return [
        pytest.param(body, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, (language, body) in enumerate(blocks_of(page.read_text()))
        if language == "python" and not FILE.match(body) and is_one(body)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_example_is_run_by_a_test(page: Path) -> None:
    text = page.read_text()
    # Files are written and run by tests that walk through a page, or quote the project.
    loose = [
        body
        for language, body in blocks_of(text)
        if language == "python" and not FILE.match(body) and not SETTINGS.search(body) and not FRAGMENT.match(body)
    ]

    assert not loose or page.stem in (*IN_A_PROJECT, *HERE, *ELSEWHERE)


@pytest.mark.parametrize("page", ELSEWHERE)
def test_the_test_that_runs_a_page_names_it(page: str) -> None:
    assert f"{page}.md" in (PROJECT / ELSEWHERE[page]).read_text()


@pytest.mark.usefixtures("project_alone")
@pytest.mark.parametrize("body", shown(SETTINGS.search))
def test_settings_that_are_shown_are_right(body: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HEROKU.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(settings.DATABASES, "direct", settings.DATABASES["default"])
    names: dict[str, Any] = {}
    exec(body, names)  # noqa: S102 - it is ours, from docs/

    assert problems_of(settings, names["KAFKA"]) == []


@pytest.mark.usefixtures("project_alone")
@pytest.mark.parametrize("body", shown(FRAGMENT.match))
def test_parts_of_settings_that_are_shown_are_right(body: str, settings: Any) -> None:
    for part in re.split(r"^(?=\")", body, flags=re.MULTILINE)[1:]:
        ((name, value),) = eval(f"{{{part}}}").items()  # noqa: S307 - it is ours, from docs/
        kafka = with_consumer(**{name: value}) if name == "config" else consumers_of(name, value)
        assert problems_of(settings, kafka) == []


@pytest.fixture(scope="module")
def ran() -> dict[str, Any]:
    """What came of the pages that declare models, or set up what a process has once."""
    (fragment,) = (body for body in examples_of("sinks") if FRAGMENT.match(body))
    consumers = eval(f"{{{fragment}}}")  # noqa: S307 - it is ours, from docs/
    kafka = {"endpoints": "memory", "tracing": True, "consumers": consumers}
    pages = [str(path) for page in IN_A_PROJECT for path in DOCS.rglob(f"{page}.md")]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.shown", json.dumps(kafka), *pages],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_the_guide_to_publishing_shows_is_published(ran: dict[str, Any]) -> None:
    sent = ran["publish"]["sent"]

    assert sent["orders"] == [["7", {"id": 7, "total": 30}], ["7", {"id": 7}]]
    assert [value["banner"] for _, value in sent["banner_click"]] == [3, 3, 3]
    assert sent["accounts"] == [["1", {"id": 1, "balance": 5}]]


def test_the_model_that_replaces_a_task_publishes_what_the_task_was_called_with(ran: dict[str, Any]) -> None:
    assert ran["from-celery"]["asked"] == [1]
    assert ran["from-celery"]["sent"] == {"orders": [["1", {"id": 1, "product": "pen", "quantity": 2}]]}


@pytest.mark.parametrize("page", ["keys-and-partitions", "several-databases"])
def test_an_order_is_published_by_its_key(ran: dict[str, Any], page: str) -> None:
    ((key, value),) = ran[page]["sent"]["orders"]

    assert (key, value["id"]) == ("7", 7)


def test_the_sink_that_is_shown_keeps_the_latest_and_takes_tombstones(ran: dict[str, Any]) -> None:
    assert ran["sinks"]["asked"] == [["1.50"], 0]


def test_the_tracer_that_is_shown_gets_spans(ran: dict[str, Any]) -> None:
    assert ran["trace"]["asked"] == ["create traced"]


def test_the_receiver_that_is_shown_is_told_of_a_dead_letter() -> None:
    names: dict[str, Any] = {}
    exec(examples_of("dead-letters")[0], names)  # noqa: S102 - it is ours, from docs/

    try:
        told = message_parked.send(sender=None, consumer="c", message=None, exception=ValueError())
        assert (names["page_somebody"], None) in told
    finally:
        message_parked.disconnect(names["page_somebody"])


def test_the_loop_before_and_the_handler_now_do_the_same() -> None:
    before, now, _ = examples_of("from-confluent-kafka")
    message = SimpleNamespace(error=lambda: None, value=lambda: b'{"a": 1}', json=lambda: {"a": 1})
    handled: list[Any] = []
    committed: list[Any] = []
    polled = iter([None, message])
    consumer = SimpleNamespace(poll=lambda _: next(polled), commit=committed.append)
    names: dict[str, Any] = {"json": json, "handle": handled.append, "consumer": consumer}

    with pytest.raises(StopIteration):
        exec(before, names)  # noqa: S102 - it is ours, from docs/
    exec(now, names)  # noqa: S102 - the same
    names["stock"](message)

    assert handled == [{"a": 1}, {"a": 1}]
    assert committed == [message]


def test_the_page_of_health_that_is_shown_has_checks_that_there_are() -> None:
    from health_check.views import HealthCheckView

    names: dict[str, Any] = {"HealthCheckView": HealthCheckView}
    (shown,) = examples_of("monitor")
    view = eval(shown, names)  # noqa: S307 - it is ours, from docs/

    checks = HealthCheckView(**view.view_initkwargs).get_checks()
    assert [type(check).__name__ for check in checks] == ["Brokers", "Outbox", "DeadLetters"]


@pytest.mark.parametrize("head", [groups.HEAD, partitions.HEAD], ids=["groups", "partitions"])
def test_tables_of_commands_that_are_shown_have_their_columns(head: tuple[str, ...]) -> None:
    lines = [line for page in PAGES for line in page.read_text().splitlines() if line.startswith(f"{head[0]} ")]

    found = [tuple(re.split("  +", line)) for line in lines if head[-1] in line]
    assert found
    assert set(found) == {head}


def test_the_logging_that_is_shown_is_of_our_logger() -> None:
    names: dict[str, Any] = {}
    exec(examples_of("run-consumers")[0], names)  # noqa: S102 - it is ours, from docs/

    assert names["LOGGING"]["loggers"]["kafka_integration"]["level"] == "INFO"


def test_the_app_that_brings_its_own_is_right(settings: Any) -> None:
    from django.apps import AppConfig

    shown = examples_of("settings")[1].replace(", …", f', "message_handler": "{CONSUMER["message_handler"]}"')
    names: dict[str, Any] = {"AppConfig": AppConfig}
    exec(shown, names)  # noqa: S102 - it is ours, from docs/

    assert problems_of(settings, {"endpoints": ["localhost:9092"], **names["TrendsConfig"].kafka}) == []


def test_the_view_that_is_shown_produces() -> None:
    names: dict[str, Any] = {}
    exec(examples_of("web-servers-and-workers")[0], names)  # noqa: S102 - it is ours, from docs/
    request = SimpleNamespace(GET={"q": "kafka"}, user=SimpleNamespace(pk=7))

    with override_settings(KAFKA={"endpoints": "memory"}), captured_messages() as messages:
        async_to_sync(names["search"])(request)
    memory_broker().reset()

    assert [(each.key, each.json()) for each in messages["search_term"]] == [("7", {"q": "kafka"})]


def consumers_of(name: str, value: Any) -> dict[str, Any]:
    consumers = value if name == "consumers" else {name: value}
    return {"endpoints": ["localhost:9092"], "consumers": consumers}

"""What `runconsumer` chooses to run, lists and refuses, before any consumer starts."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import uuid

import pytest
from django.core.management import CommandError, call_command

from kafka_integration.conf import get_settings
from kafka_integration.errors import ConfigurationError
from kafka_integration.operating import console_log, running
from kafka_integration.operating.running import RunRequest, choose
from tests.processes import PROJECT, environment
from tests.unit.consumers import HANDLER


def consumer(**options):
    return {"topics": ["t"], "consumer_group": "g", "message_handler": HANDLER, **options}


pytestmark = pytest.mark.usefixtures("project_alone")


@pytest.fixture
def three_consumers(settings):
    settings.KAFKA = {
        "endpoints": "memory",
        "consumers": {
            "orders": consumer(),
            "clicks": consumer(topics=["^click.*", "view"], consumer_group="marketing"),
            "old": consumer(enabled=False),
        },
    }


@pytest.fixture
def runs(monkeypatch):
    """What would have been run."""
    requests = []

    def run(request: RunRequest) -> int:
        requests.append(request)
        return 0

    monkeypatch.setattr("kafka_integration.operating.running.run", run)
    return requests


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ([], ["orders", "clicks"]),
        (["clicks"], ["clicks"]),
        (["clicks", "orders"], ["clicks", "orders"]),
        (["clicks", "clicks"], ["clicks"]),
    ],
)
def test_the_named_consumers_run_and_without_names_all_that_are_enabled(three_consumers, names, chosen):
    assert [each.name for each in choose(get_settings(), names)] == chosen


def test_an_unknown_name_is_refused_with_the_known_ones(three_consumers, runs):
    with pytest.raises(CommandError, match=r'there is no consumer "order"; .* has: clicks, old, orders'):
        call_command("runconsumer", "order")

    assert runs == []


def test_a_disabled_consumer_is_refused_by_name(three_consumers, runs):
    with pytest.raises(CommandError, match='consumer "old" is disabled'):
        call_command("runconsumer", "old")

    assert runs == []


def test_nothing_to_run_is_refused(settings):
    settings.KAFKA = {"endpoints": "memory", "consumers": {"old": consumer(enabled=False)}}

    with pytest.raises(ConfigurationError, match="no enabled consumer"):
        choose(get_settings(), [])


def test_the_options_reach_the_run(three_consumers, runs):
    call_command("runconsumer", "orders", "--processes", "3", "--until-caught-up", "--max-messages", "7", "--reload")

    (request,) = runs
    assert [each.name for each in request.consumers] == ["orders"]
    assert (request.processes, request.until_caught_up, request.max_messages, request.reload) == (3, True, 7, True)


def test_the_list_names_topics_group_handler_and_what_is_disabled(three_consumers, runs, capsys):
    call_command("runconsumer", "--list")

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["CONSUMER", "TOPICS", "GROUP", "HANDLER"]
    assert lines[1] == ["orders", "t", "g", HANDLER]
    assert lines[2] == ["clicks", "^click.*,", "view", "marketing", HANDLER]
    assert lines[3] == ["old", "(disabled)", "t", "g", HANDLER]
    assert runs == []


def test_static_members_of_several_processes_have_ids_of_their_own(settings):
    settings.KAFKA = {
        "endpoints": "localhost:9092",
        "consumers": {"c": consumer(config={"group.instance.id": "web-1", "session.timeout.ms": 9000})},
    }
    (original,) = choose(get_settings(), [])

    numbered = running._numbered(original, 2)

    assert dict(numbered.connection.config) == {"group.instance.id": "web-1-2", "session.timeout.ms": 9000}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--processes", "0"),
        ("--processes", "-1"),
        ("--processes", "1000000000"),
        ("--processes", "two"),
        ("--processes", "1.5"),
        ("--max-messages", "0"),
        ("--max-messages", "-3"),
        ("--unknown",),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2_and_says_what_is_wrong(arguments):
    run = runconsumer(*arguments)

    assert run.returncode == 2
    assert arguments[-1] in run.stderr
    assert "Traceback" not in run.stderr


def test_an_unknown_consumer_exits_with_1_and_the_names():
    run = runconsumer("nobody")

    assert run.returncode == 1
    assert 'there is no consumer "nobody"; settings.KAFKA has: ' in run.stderr
    assert "marketing" in run.stderr


def runconsumer(*arguments):
    return subprocess.run(
        [sys.executable, "manage.py", "runconsumer", *arguments],
        cwd=PROJECT,
        env=environment({"DJANGO_SETTINGS_MODULE": "activitylog.settings"}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def package_log(monkeypatch):
    """Makes a logger in place of the package's, as a new project has it."""

    def make() -> logging.Logger:
        log = logging.getLogger(f"package-{uuid.uuid4()}")
        log.propagate = False
        monkeypatch.setattr(console_log, "PACKAGE", log.name)
        return log

    return make


@pytest.mark.parametrize(("verbosity", "level"), [(0, "WARNING"), (1, "INFO"), (2, "DEBUG"), (3, "DEBUG")])
def test_without_a_configured_log_a_command_shows_it(package_log, verbosity, level):
    log = package_log()

    console_log.show_log(verbosity)
    console_log.show_log(verbosity)

    assert len(log.handlers) == 1
    assert logging.getLevelName(log.level) == level


def test_the_log_of_several_processes_says_whose_each_line_is(package_log):
    log = package_log()

    console_log.show_log(1, of_several=True)

    record = logging.LogRecord("name", logging.INFO, "path", 1, "text", None, None)
    assert f" {os.getpid()} INFO    text" in log.handlers[0].format(record)


def test_loggers_that_a_later_configuration_disabled_speak_again(package_log):
    log = package_log()
    relay, other = log.getChild("relay"), logging.getLogger(f"{log.name}-of-another")

    # As dictConfig() does it, unless told otherwise, with whatever it doesn't name.
    for each in (log, relay, other):
        each.disabled = True
    console_log.show_log(1)

    assert relay.isEnabledFor(logging.WARNING)
    assert not log.disabled
    assert other.disabled


def test_a_configured_log_is_left_alone(package_log):
    log = package_log()
    log.addHandler(logging.NullHandler())

    console_log.show_log(1)

    assert len(log.handlers) == 1
    assert log.level == logging.NOTSET

"""``--help`` of each command has examples that work, and names the exit statuses; the reference has the same."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, find_commands, load_command_class
from django.core.management.base import CommandParser

from kafka_integration.management.usage import Usage
from tests.guides import blocks_of, typed_in
from tests.processes import PROJECT

COMMANDS = sorted(find_commands(str(PROJECT / "kafka_integration" / "management")))
REFERENCE = (PROJECT / "docs" / "reference" / "commands.md").read_text()
PAGES = [
    *sorted((PROJECT / "docs").rglob("*.md")),
    PROJECT / "README.md",
    PROJECT / "examples" / "minimal" / "README.md",
]
# Django's, of every command.
SHARED = {option for action in CommandParser()._actions for option in action.option_strings} | {
    *("--version", "-v", "--verbosity", "--settings", "--pythonpath"),
    *("--traceback", "--no-color", "--force-color", "--skip-checks"),
}


def commands_shown(page: Path) -> list[str]:
    """What a page has somebody type after ``manage.py``; what is shown as an error aside."""
    typed = (each for language, body in blocks_of(page.read_text()) if language == "console" for each in typed_in(body))
    return [
        each.command.partition("manage.py ")[2]
        for each in typed
        if each.command.startswith("python manage.py ") and not each.is_refused
    ]


def usage_of(command: str) -> Usage:
    usage = import_module(f"kafka_integration.management.commands.{command}").USAGE
    assert isinstance(usage, Usage)
    return usage


def parser_of(command: str) -> CommandParser:
    return load_command_class("kafka_integration", command).create_parser("manage.py", command)


def actions_of(parser: argparse.ArgumentParser) -> dict[str, Any]:
    """The parsers of a command's actions; none for one that has no actions."""
    found = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    return dict(found[0].choices) if found else {}


def options_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    for each in (parser, *actions_of(parser).values()):
        for action in each._actions:
            yield from action.option_strings


def sections_of(command: str) -> str:
    """What the reference says of the command."""
    sections = re.split(r"^(?=## )", REFERENCE, flags=re.MULTILINE)
    return "".join(section for section in sections if re.match(rf"## `{command}\b", section))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_each_example_on_a_line_of_its_own_and_the_exit_statuses(command):
    shown = parser_of(command).format_help()

    for typed in usage_of(command).examples:
        assert f"\n  manage.py {command} {typed}".rstrip() in shown
    assert re.findall(r"^  (\d+) +\S", shown.partition("exit status:")[2], re.MULTILINE) == [
        str(status) for status in usage_of(command).statuses
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_understands_each_of_its_examples(command):
    for typed in usage_of(command).examples:
        parser_of(command).parse_args(shlex.split(typed))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_action_has_an_example_in_a_help_of_its_own(command):
    for name, action in actions_of(parser_of(command)).items():
        examples = re.findall(rf"^  manage\.py {command} (\w+)", action.format_help(), re.MULTILINE)

        assert set(examples) == {name}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_reference_has_each_option_and_exit_status(command):
    section = sections_of(command)

    missing = {option for option in options_of(parser_of(command)) if not re.search(rf"{option}\b", section)}
    assert missing - SHARED == set()
    table = section.rpartition("| exit status | |")[2]
    assert re.findall(r"^\| (\d+) \|", table, re.MULTILINE) == [str(status) for status in usage_of(command).statuses]


def test_commands_understand_what_pages_show():
    for typed in (typed for page in PAGES for typed in commands_shown(page)):
        name, *arguments = shlex.split(re.split(r" [<|&]", typed)[0], comments=True)
        if name in COMMANDS:
            parser_of(name).parse_args(arguments)


def test_pages_show_each_command():
    shown = {typed.split()[0] for page in PAGES for typed in commands_shown(page)}

    assert set(COMMANDS) - shown == set()


@pytest.mark.parametrize("command", [["kafkatail", "events"], ["kafkaproduce", "events", "a"], ["kafkatopics", "list"]])
def test_wrong_settings_are_one_clear_error_where_no_check_comes_before(command, settings):
    settings.KAFKA = {"endpoints": "memory", "consumer": {"topics": ["events"]}, "bogus": True}

    with pytest.raises(CommandError, match=r'KAFKA\["bogus"\] is unknown') as raised:
        call_command(*command)

    assert raised.value.returncode == 1

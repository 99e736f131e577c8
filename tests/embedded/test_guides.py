"""The README's five minutes and the tutorial, word for word: each command works, and answers as shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.guides import Walk, five_minutes, lines_to_type
from tests.processes import PROJECT

README = PROJECT / "README.md"
TUTORIAL = PROJECT / "docs" / "tutorial"

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def start_walk(tmp_path: Path) -> Iterator[Callable[..., Walk]]:
    walks: list[Walk] = []
    logs = tmp_path / "logs"
    logs.mkdir()

    def start(folder: Path, **env: str) -> Walk:
        # The embedded broker of this walk is announced where no other looks.
        env = {"TMPDIR": str(logs), **env}
        skip = "pip install|make demo|bin/activate"
        walks.append(Walk(folder, logs, env=env, python=sys.executable, skip=skip))
        return walks[-1]

    yield start
    for walk in walks:
        walk.close()


def test_the_readme_leads_to_a_consumer_in_a_project_of_ones_own(start_walk, tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()

    walk = start_walk(folder)
    walk.follow(five_minutes(README.read_text()), writes_files=True)

    walk.stop()


def test_the_first_message_is_handled_after_fifteen_typed_lines():
    to_the_first_message = five_minutes(README.read_text()).partition("\n### ")[0]

    assert len(lines_to_type(to_the_first_message)) <= 15


# The second part needs a real Kafka (tests/broker/test_tutorial.py), the third one Docker.
@pytest.mark.parametrize("part", ["1-first-messages.md", "4-apps-and-environments.md"])
def test_the_tutorial_says_what_happens(start_walk, tmp_path, part):
    walk = start_walk(PROJECT, DATABASE_URL=f"sqlite:///{tmp_path / 'db.sqlite3'}", KAFKA_ENDPOINTS="embedded")
    walk.follow((TUTORIAL / part).read_text(), writes_files=False)

    walk.stop()

"""What a message costs between a fetch and the end of its handler, counted in instructions: no other load moves that.

`make bench` measures what it takes in time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import PROJECT
from tests.services.presence import missing_command, require
from tests.unit import instructions_of_observing as observing
from tests.unit.instructions_of_the_hot_path import MESSAGES

AT_MOST = 1.75
"""How many times the instructions of a bare loop a message may take: 1.59 when this was written."""
MONITORED_AT_MOST = 1.03
"""How many times the instructions of one that nobody monitors: 1.011 when this was written, and 1.007 by key."""


@pytest.fixture(scope="module")
def instructions(tmp_path_factory: pytest.TempPathFactory) -> dict[object, float]:
    """Of each way to handle a message, without what does nothing."""
    require(missing_command("valgrind", "valgrind"))
    nothing, *found = instructions_of_each_child(tmp_path_factory.mktemp("callgrind"))
    ways = {"bare": MESSAGES, "consumed": MESSAGES, **dict.fromkeys(observing.WAYS, observing.MESSAGES)}
    return {way: (count - nothing) / ways[way] for way, count in zip(ways, found, strict=True)}


@pytest.mark.slow
@pytest.mark.timeout(600)  # seconds of its own work, which other tests may keep from it
def test_a_message_costs_few_more_instructions_than_its_handler(instructions: dict[object, float]) -> None:
    at_least, needed = instructions["bare"], instructions["consumed"]

    print(
        f"instructions a message: {needed:,.0f}, in a bare loop {at_least:,.0f}: {needed / at_least:.2f} times as many"
    )
    assert needed < AT_MOST * at_least


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("ordering", ["partition", "key"])
def test_to_be_monitored_costs_a_message_next_to_nothing(ordering: str, instructions: dict[object, float]) -> None:
    monitored, unseen = instructions[ordering, True], instructions[ordering, False]

    print(f"instructions a message by {ordering}: {unseen:,.0f}, monitored {monitored:,.0f}")
    assert monitored < MONITORED_AT_MOST * unseen


def instructions_of_each_child(directory: Path) -> list[int]:
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/%p"]
    # Only what the program needs itself: with the settings of the tests it would load all of their project.
    environment = {name: text for name, text in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [*command, sys.executable, "-m", "tests.unit.instructions_of_the_hot_path"],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
        # Nor chance: names that collide in a dict cost more.
        env={**environment, "PYTHONHASHSEED": "0"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [instructions_in(directory / pid) for pid in done.stdout.split()]


def instructions_in(counts: Path) -> int:
    summaries = [line for line in counts.read_text().splitlines() if line.startswith("summary:")]
    return sum(int(line.split()[1]) for line in summaries)

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
from tests.unit.instructions_of_the_hot_path import MESSAGES

AT_MOST = 1.75
"""How many times the instructions of a bare loop a message may take: 1.59 when this was written."""


@pytest.mark.slow
@pytest.mark.timeout(600)  # seconds of its own work, which other tests may keep from it
def test_a_message_costs_few_more_instructions_than_its_handler(tmp_path: Path):
    require(missing_command("valgrind", "valgrind"))

    nothing, bare, consumed = instructions_of_each_child(tmp_path)

    at_least, needed = (bare - nothing) / MESSAGES, (consumed - nothing) / MESSAGES
    print(
        f"instructions a message: {needed:,.0f}, in a bare loop {at_least:,.0f}: {needed / at_least:.2f} times as many"
    )
    assert needed < AT_MOST * at_least


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

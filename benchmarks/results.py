"""The results of a run with all that a reader has to know of it, kept in a file: the page can be made of it again."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import confluent_kafka
import django

from .environments import PEERS, PROJECT, version_of
from .running import Outcome


@dataclass(frozen=True, kw_only=True)
class Description:
    """When, where and of what a run was made."""

    date: str
    command: str
    runs: int
    machine: str
    versions: str
    commit: str
    load: float
    """How many processes wanted a processor in the minutes before it began: none, on a machine that has nothing else to
    do."""


@dataclass(frozen=True, kw_only=True)
class Results:
    description: Description
    outcome: Outcome

    def save(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"description": asdict(self.description), "outcome": asdict(self.outcome)}))

    @classmethod
    def load(cls, path: Path) -> Results:
        kept = json.loads(path.read_text())
        return cls(description=Description(**kept["description"]), outcome=Outcome(**kept["outcome"]))


def describe_run(arguments: Sequence[str], runs: int, servers: str) -> Description:
    """`servers` names them with their versions."""
    return Description(
        date=datetime.now(UTC).strftime("%d %B %Y").lstrip("0"),
        command=" ".join(["python -m benchmarks", *arguments]),
        runs=runs,
        machine=_machine(),
        versions=_versions(servers),
        commit=_output("git", "rev-parse", "--short", "HEAD"),
        load=os.getloadavg()[1],
    )


def _machine() -> str:
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    gib = int(memory[1]) / 1024**2 if memory else 0
    processor = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    name = processor[1] if processor else platform.machine()
    return f"{os.cpu_count()} cores ({name}), {gib:.0f} GiB, {platform.system()} {platform.release().split('-')[0]}"


def _versions(servers: str) -> str:
    own = [
        f"Python {platform.python_version()}",
        f"Django {django.get_version()}",
        f"confluent-kafka {version('confluent-kafka')} (librdkafka {confluent_kafka.libversion()[0]})",
        servers,
    ]
    return ", ".join([*own, *(f"{package} {version_of(name)}" for name, package in PEERS.items())])


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT).stdout.strip()
    except OSError:
        return ""

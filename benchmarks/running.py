"""Runs contenders, each in a process of its own; those of a row take turns, so that a slow minute hits all of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from time import monotonic

from .catalogue import Contender, Row
from .environments import PROJECT, NotInstalledError, python_of
from .figures import Told, read, refuse_unequal_work
from .progress import Progress
from .servers import Servers

TIMEOUT_SECONDS = 60.0

TABLES = Contender(
    name="tables", label="", module="benchmarks.contenders.database", form="make", messages=0, needs_database=True
)
"""No contender, but run like one: makes the tables of the benchmark's project."""

_numbers = count(1)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was measured, by row and contender, and why some contenders have nothing."""

    runs: dict[str, dict[str, list[Told]]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, row: Row, contender: Contender, told: Told) -> None:
        self.runs.setdefault(row.name, {}).setdefault(contender.name, []).append(told)


class ContenderFailedError(Exception):
    """A contender ended without figures."""


class Runner:
    """Runs rows against servers; `at_most` messages a contender."""

    def __init__(self, servers: Servers, *, runs: int, at_most: int, progress: Progress) -> None:
        self._servers = servers
        self._runs = runs
        self._at_most = at_most
        self._progress = progress
        self._filled: dict[tuple[tuple[int, int], int], str] = {}
        self._pythons: dict[str, str] = {}
        self.outcome = Outcome()

    def prepare(self, rows: Sequence[Row]) -> None:
        """Make what the contenders of these rows need; those that can't have it are left out."""
        self._find_pythons(rows)
        if self._servers.database_url:
            self._process(TABLES, sys.executable, topic="none", messages=0)

    def run(self, row: Row) -> None:
        """Measure a row; ``UnequalWorkError`` where its contenders did not do the same."""
        for _ in range(self._runs):
            for contender in row.contenders:
                if contender.name not in self.outcome.left_out:
                    self._run(row, contender, self._pythons[contender.environment])

    def messages_of(self, contender: Contender) -> int:
        return min(contender.messages, self._at_most)

    def _find_pythons(self, rows: Sequence[Row]) -> None:
        for contender in (each for row in rows for each in row.contenders):
            try:
                if contender.environment not in self._pythons:
                    self._pythons[contender.environment] = python_of(contender.environment)
            except NotInstalledError as error:
                self._leave_out(contender, f"{contender.environment} can't be installed: {error}")
            if contender.needs_database and self._servers.database_url is None:
                self._leave_out(contender, "there is no PostgreSQL here")

    def _run(self, row: Row, contender: Contender, python: str) -> None:
        messages = self.messages_of(contender)
        topic = self._topic(row, contender)
        try:
            with self._feeding(contender, topic):
                told = read(self._process(contender, python, topic, messages))
        except (ContenderFailedError, ValueError) as error:
            self._leave_out(contender, str(error))
            return
        refuse_unequal_work(row, contender, told, messages)
        if contender.topic == "empty" and (written := self._servers.count(topic)) < told["count"]:
            self._leave_out(contender, f"it wrote {written:,} of {messages:,} messages")
            return
        self.outcome.add(row, contender, told)
        self._progress.note(row, contender, told)

    def _topic(self, row: Row, contender: Contender) -> str:
        if contender.topic != "filled":
            return self._servers.make_topic()
        most = max(row.backlog, *(self.messages_of(each) for each in row.contenders))
        # A longer one does as well, unless the backlog is what matters: none of them reads further than it is asked to.
        for (kind, messages), topic in self._filled.items():
            if kind == (row.partitions, row.value_bytes) and (
                messages == row.backlog or messages >= most > row.backlog
            ):
                return topic
        topic = self._servers.make_topic(row.partitions)
        self._servers.fill(topic, most, row.value_bytes)
        self._filled[(row.partitions, row.value_bytes), most] = topic
        return topic

    @contextmanager
    def _feeding(self, contender: Contender, topic: str) -> Iterator[None]:
        if contender.topic != "fed":
            yield
            return
        command = [sys.executable, "-m", "benchmarks.contenders.feeder", self._servers.bootstrap, topic]
        feeder = subprocess.Popen(command, cwd=PROJECT)
        try:
            yield
        finally:
            feeder.kill()
            feeder.wait()

    def _process(self, contender: Contender, python: str, topic: str, messages: int) -> str:
        """What the contender printed."""
        command = [python, "-m", contender.module, contender.form]
        try:
            done = subprocess.run(
                command,
                check=False,
                capture_output=True,
                text=True,
                cwd=PROJECT,
                env=self._variables(contender, topic, messages),
                timeout=TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise ContenderFailedError(f"it took longer than {TIMEOUT_SECONDS:.0f} s") from None
        if done.returncode:
            raise ContenderFailedError(f"it ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def _variables(self, contender: Contender, topic: str, messages: int) -> dict[str, str]:
        """What a contender is told by its environment."""
        with_database = {"BENCH_DATABASE": url} if (url := self._servers.database_url) else {}
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "benchmarks.contenders.settings",
            "BENCH_SERVERS": self._servers.bootstrap,
            "BENCH_TOPIC": topic,
            "BENCH_GROUP": f"{contender.name}-{next(_numbers)}",
            "BENCH_MESSAGES": str(messages),
            "BENCH_CONSUMER": json.dumps(contender.consumer),
            "BENCH_STARTED": repr(monotonic()),
            **(with_database if contender.needs_database else {}),
        }

    def _leave_out(self, contender: Contender, reason: str) -> None:
        if contender.name not in self.outcome.left_out:
            self.outcome.left_out[contender.name] = reason
            self._progress.complain(f"NOT MEASURED: {contender.name}: {reason}")

"""A pytest plugin: `-p tests.faults.table` says how far a run of scenarios is, and ends with a table of them."""

from __future__ import annotations

import ast
import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

STORY_WIDTH = 78


@dataclass
class Scenario:
    """One file: its story, and how its tests ended."""

    story: str
    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


class Table:
    """Counts along."""

    def __init__(self, reporter: pytest.TerminalReporter, root: Path) -> None:
        self._reporter = reporter
        self._root = root
        self._scenarios: dict[str, Scenario] = {}
        self._total = 0
        self._done = 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._expect([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Iterable[str]) -> None:
        """With workers side by side each of them collects the same tests, and this process none."""
        self._expect(list(ids))

    def _expect(self, ids: list[str]) -> None:
        self._total = len(ids)
        for file in {nodeid.partition("::")[0] for nodeid in ids}:
            story = ast.get_docstring(ast.parse((self._root / file).read_text())) or ""
            self._scenarios.setdefault(file, Scenario(" ".join(story.split())))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file, _, name = report.nodeid.partition("::")
        scenario = self._scenarios[file]
        scenario.seconds += report.duration
        if report.when == "call" or report.outcome != "passed":
            scenario.outcomes[report.outcome] += 1
        if report.when == "call" or (report.when == "setup" and report.outcome != "passed"):
            self._done += 1
            place = file.rpartition("/")[2].removesuffix(".py")
            self._reporter.write_line(
                f"[{self._done}/{self._total}] {report.outcome} in {report.duration:.1f} s: {place}: {name}",
                red=report.failed,
            )

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """The lines above stand for pytest's dots."""
        return (report.outcome if report.when == "call" else "", "", "") if report.passed else None

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("scenarios")
        for file, scenario in sorted(self._scenarios.items()):
            outcomes = ", ".join(f"{number} {outcome}" for outcome, number in sorted(scenario.outcomes.items()))
            name = file.rpartition("/")[2].removeprefix("test_").removesuffix(".py")
            terminalreporter.write_line(
                f"{name:<44} {scenario.seconds:7.1f} s  {outcomes}", red=bool(scenario.outcomes["failed"])
            )
            terminalreporter.write_line("    " + textwrap.shorten(scenario.story, STORY_WIDTH, placeholder=" …"))


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        config.pluginmanager.register(Table(reporter, config.rootpath), "scenarios-table")

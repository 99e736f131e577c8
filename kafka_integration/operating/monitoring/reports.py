"""What the workers of ``--processes`` report to the process beside them that answers for all: a file for each.

A worker that was killed leaves what it counted to the next one of its number, but for its last second.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from ...durations import spoken
from ...observing.families import FAMILIES, Sample
from .watched import Health, Watched

ALIVE_SECONDS = 30.0

Key = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one worker said last of itself."""

    pid: int
    at: float
    """By the monotonic clock, which is one for all processes of a machine."""
    has_ended: bool
    not_alive: tuple[str, ...]
    not_ready: tuple[str, ...]
    samples: tuple[Sample, ...]

    @property
    def age_seconds(self) -> float:
        return monotonic() - self.at

    @property
    def is_of_the_living(self) -> bool:
        if self.has_ended:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True


class Reporter:
    """A worker's own: what it says is added to what those of its number before it have counted."""

    def __init__(self, folder: Path, number: int, watched: Watched) -> None:
        self._path = _path(folder, number)
        self._watched = watched
        before = read_report(self._path)
        self._before = {} if before is None else _values(_counted(before.samples))

    def write(self, *, is_last: bool = False) -> None:
        health = Health() if is_last else self._watched.health()
        samples = self._watched.samples()
        values = dict(self._before)
        for sample in _counted(samples) if is_last else samples:
            key = sample[:3]
            values[key] = sample.value + self._before.get(key, 0.0)
        report = Report(
            pid=os.getpid(),
            at=monotonic(),
            has_ended=is_last,
            not_alive=health.not_alive,
            not_ready=health.not_ready,
            samples=tuple(Sample(*key, value) for key, value in values.items()),
        )
        # Whoever reads has all of this one or of the one before.
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(report)))
        fresh.replace(self._path)


class Family:
    """All workers together, by their reports."""

    def __init__(self, folder: Path, count: int) -> None:
        self._paths = [_path(folder, number) for number in range(count)]
        self._since = monotonic()

    def health(self) -> Health:
        not_alive: list[str] = []
        not_ready: list[str] = []
        for number, path in enumerate(self._paths):
            report = read_report(path)
            if report is not None and report.has_ended:
                continue
            silence = monotonic() - self._since if report is None else report.age_seconds
            if silence > ALIVE_SECONDS:
                not_alive.append(f"worker {number} has said nothing for {spoken(silence)}")
            if report is None:
                not_ready.append(f"worker {number} has not begun")
            else:
                not_alive += [f"worker {number}: {problem}" for problem in report.not_alive]
                not_ready += [f"worker {number}: {problem}" for problem in report.not_ready]
        return Health(not_alive=tuple(not_alive), not_ready=tuple(not_ready))

    def samples(self) -> Iterator[Sample]:
        reports = [report for path in self._paths if (report := read_report(path)) is not None]
        values: dict[Key, float] = {}
        for report in reports:
            for sample in report.samples if report.is_of_the_living else _counted(report.samples):
                key = sample[:3]
                if FAMILIES[sample.family].is_shared:
                    values[key] = max(sample.value, values.get(key, sample.value))
                else:
                    values[key] = values.get(key, 0.0) + sample.value
        return (Sample(*key, value) for key, value in values.items())


def read_report(path: Path) -> Report | None:
    """None where there is none yet."""
    with suppress(FileNotFoundError):
        return Report(**_restored(json.loads(path.read_text())))
    return None


def _restored(document: dict[str, Any]) -> dict[str, Any]:
    samples = tuple(
        Sample(family, suffix, tuple((name, text) for name, text in labels), value)
        for family, suffix, labels, value in document["samples"]
    )
    problems = {name: tuple(document[name]) for name in ("not_alive", "not_ready")}
    return {**document, **problems, "samples": samples}


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number}.json"


def _counted(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Those that count, and stay true when their process has ended."""
    return (sample for sample in samples if FAMILIES[sample.family].kind != "gauge")


def _values(samples: Iterable[Sample]) -> dict[Key, float]:
    return {sample[:3]: sample.value for sample in samples}

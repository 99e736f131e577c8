"""``kafkadeadletters replay``: what it would do, doing it, and what became of it."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ..conf import get_settings
from ..dead_letters import operations as dead_letters
from ..dead_letters.awaited import AwaitedReplay
from ..dead_letters.operations import Change, Selection
from ..dead_letters.outcomes import Failure, failures_as_json, failures_as_lines
from ..dead_letters.paced_replay import Ended, Pace, PacedReplay, Progress, problem_of, said_of
from ..models import DeadLetter
from ..operating.replays.preview_texts import preview_as_json, preview_as_lines
from ..operating.replays.previewing import Part, preview
from ..operating.replays.texts import why_waiting
from ..operating.stopping import StopRequest
from ..summaries import escaped
from .arguments import WRONG_USAGE, read_count
from .interrupts import INTERRUPTED
from .progress import ProgressBar

Report = Callable[[list[Change], str], None]


def rate(text: str) -> float:
    """An argument's type: how many a second, fractions too."""
    return _positive(text, "a number of dead letters a second")


def seconds(text: str) -> float:
    """An argument's type: how many seconds, fractions too."""
    return _positive(text, "a number of seconds")


def add_replay_arguments(parser: CommandParser) -> None:
    """Those of ``replay`` alone."""
    parser.add_argument("--dry-run", action="store_true", help="only say what it would do, and who would do it")
    parser.add_argument(
        "--wait", type=seconds, metavar="SECONDS", help="wait so long for what becomes of them; exit with 1 unless all "
        "are handled",
    )  # fmt: skip
    parser.add_argument("--rate", type=rate, metavar="N", help="N a second at most, watching what becomes of them")
    parser.add_argument(
        "--stop-after-failures", type=read_count, metavar="N", help="begin no more once N have failed again"
    )


@dataclass(frozen=True, kw_only=True)
class Replaying:
    """Replays a selection of each of these databases, as the options have it."""

    selection: Selection
    databases: Sequence[str]
    stdout: Any
    stderr: Any
    as_json: bool

    def run(self, options: dict[str, Any], report: Report) -> None:
        """Do it, and print what it did; ``report`` prints what was asked for where nobody waits."""
        pace = Pace(per_second=options["rate"], stop_after_failures=options["stop_after_failures"])
        wait_seconds: float | None = options["wait"]
        if wait_seconds is not None and pace != Pace():
            raise CommandError(
                "With --rate or --stop-after-failures it is waited for anyway: leave out --wait.",
                returncode=WRONG_USAGE,
            )
        if options["dry_run"]:
            self._preview(pace)
        elif pace != Pace():
            self._at_pace(pace)
        elif wait_seconds is not None:
            self._and_wait(wait_seconds)
        else:
            report(self._request(), "to be replayed, by the running consumers of their groups")

    def _request(self) -> list[Change]:
        return [dead_letters.request_replay(self.selection, database) for database in self.databases]

    def _preview(self, pace: Pace) -> None:
        states = dead_letters.replayable(self.selection)
        parts = [Part(letters=self.selection.of(database), states=states) for database in self.databases]
        found = preview(parts, get_settings())
        if self.as_json:
            self.stdout.write(json.dumps(preview_as_json(found, pace), indent=2))
        else:
            self.stdout.write("\n".join(preview_as_lines(found, pace)))

    def _at_pace(self, pace: Pace) -> None:
        stop, replay = StopRequest(), PacedReplay(self.selection, self.databases, pace)
        bar = self._bar(replay.progress)
        with stop.installed():
            result = replay.run(stop.wait, lambda now: _show(bar, now))
        bar.clear()
        ended = replay.ended or Ended.DONE
        if self.as_json:
            self.stdout.write(json.dumps({**_as_dict(result), "ended": ended}))
        else:
            self.stdout.write(said_of(result))
            self._tell_reasons(replay.failures)
        if ended == Ended.INTERRUPTED:
            raise CommandError("interrupted", returncode=INTERRUPTED)
        if problem := problem_of(result, ended):
            raise CommandError(problem)

    def _and_wait(self, wait_seconds: float) -> None:
        changes = self._request()
        ids = {
            # Those that somebody asked for before are waited for too.
            database: {*change.changed_ids, *dead_letters.requested(self.selection, database)}
            for database, change in zip(self.databases, changes, strict=True)
        }
        stop, replay = StopRequest(), AwaitedReplay(ids)
        bar = self._bar(replay.progress)
        with stop.installed():
            result = replay.run(wait_seconds, stop.wait, lambda now: _show(bar, now))
        bar.clear()
        left_alone = max(0, sum(change.found for change in changes) - result.total)
        if self.as_json:
            more = {"left_alone": left_alone, "failures": failures_as_json(replay.failures)}
            self.stdout.write(json.dumps({**_as_dict(result), **more}))
        else:
            self.stdout.write(said_of(result))
            self._tell_reasons(replay.failures)
            if left_alone:
                self.stderr.write(f"{left_alone} left alone: settled already.")
            if result.not_taken_up:
                self._tell_why_waiting()
        if result.under_way and stop.is_made:
            raise CommandError("interrupted; what was asked for stays asked for", returncode=INTERRUPTED)
        if result.under_way:
            raise CommandError(
                f"{result.under_way} not done after {wait_seconds:g} s, and stay asked for: kafkadeadletters "
                "outcome says what becomes of them, replay --dry-run who takes them up."
            )
        if result.failed:
            raise CommandError(f"{result.failed} failed again.")

    def _tell_reasons(self, failures: Sequence[Failure]) -> None:
        for line in failures_as_lines(failures):
            self.stderr.write(line)

    def _tell_why_waiting(self) -> None:
        asked_for = [self.selection.of(database).filter(state=DeadLetter.State.REPLAY) for database in self.databases]
        parts = [Part(letters=letters) for letters in asked_for]
        for taker in preview(parts, get_settings()).takers:
            for sentence in why_waiting(taker):
                self.stderr.write(escaped(sentence))

    def _bar(self, progress: Progress) -> ProgressBar:
        return ProgressBar(self.stderr, progress.total, is_shown=self.stderr.isatty())


def _as_dict(result: Progress) -> dict[str, Any]:
    return {**asdict(result), "under_way": result.under_way}


def _show(bar: ProgressBar, now: Progress) -> None:
    bar.show(now.done, f"{now.handled} handled, {now.failed} failed again")


def _positive(text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 < number <= 1_000_000:
        raise ArgumentTypeError(f"{text!r} is not {what}, above 0 and up to 1000000")
    return number

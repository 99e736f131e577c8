"""``manage.py kafkatopics``: the topics there are, what to change to have them as the settings say, what is wrong."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser, no_translations

from ...conf import get_settings
from ...operating.topics.applying import applied_as_dict, apply_changes
from ...operating.topics.health import find_topic_problems
from ...operating.topics.listing import list_topics
from ...operating.topics.planning import Plan, as_dict, plan_topics
from ...operating.topics.texts import applied_lines, health_lines, list_lines, plan_lines
from ...summaries import escaped
from ..interrupts import INTERRUPTED, interruptible
from ..pipes import ShowingCommand
from ..usage import Usage

ACTIONS = {
    "list": "list the topics there are",
    "plan": "show what there is to do to have them as the settings say, and do nothing",
    "apply": "do what the plan says",
    "health": "show what is wrong with the topics of the settings; exit status 1 if anything is",
}
USAGE = Usage(
    command="kafkatopics",
    examples={
        "list": "which topics there are",
        "plan": "what to change, before a deployment",
        "apply": "change it",
        "health --json": "what is wrong, for an alert",
    },
    statuses={
        0: "done, or all is well",
        1: "a change failed, health found something, or a cluster can't be asked",
        2: "wrong usage",
        INTERRUPTED: "Ctrl-C",
    },
)


class Command(ShowingCommand):
    usage = USAGE
    help = "Shows topics, makes and changes them as the settings say, and says what is wrong with them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="|".join(ACTIONS))
        for name, text in ACTIONS.items():
            action = USAGE.add_action(actions, name, text)
            action.add_argument("--json", action="store_true", help="one JSON document")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        with interruptible():
            getattr(self, f"_{options['action']}")(options["json"])

    def _list(self, as_json: bool) -> None:
        listing = list_topics(get_settings())
        self._write([asdict(each) for each in listing.topics] if as_json else list_lines(listing), as_json)

    def _plan(self, as_json: bool) -> None:
        plan = self._planned()
        self._write([as_dict(change) for change in plan.changes] if as_json else plan_lines(plan), as_json)

    def _apply(self, as_json: bool) -> None:
        plan = self._planned()
        done = []
        for applied in apply_changes(plan.changes):
            done.append(applied)
            if not as_json:
                self._write(applied_lines(applied), as_json)
        if as_json or not done:
            self._write([applied_as_dict(applied) for applied in done] if as_json else plan_lines(plan), as_json)
        if failed := sum(applied.has_failed for applied in done):
            raise CommandError(f"{failed} of {len(done)} change(s) failed")

    def _health(self, as_json: bool) -> None:
        problems = find_topic_problems(get_settings())
        lines = health_lines(problems) or ["All is well."]
        self._write([asdict(each) for each in problems] if as_json else lines, as_json)
        if problems:
            raise CommandError(f"{len(problems)} problem(s)")

    def _planned(self) -> Plan:
        plan = plan_topics(get_settings())
        for obstacle in plan.obstacles:
            self.stderr.write(escaped(obstacle))
        return plan

    def _write(self, what: list[Any], as_json: bool) -> None:
        # Settings of topics are what somebody wrote.
        self.stdout.write(json.dumps(what, indent=2) if as_json else escaped("\n".join(what), keep="\n"))

"""``manage.py kafkagroups``: how far consumer groups are behind, and moving them elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError, CommandParser, no_translations
from django.db import DatabaseError

from ...conf import get_settings
from ...operating.groups.forecast import look_ahead
from ...operating.groups.lag import compute_lag
from ...operating.groups.listing import groups_as_json, groups_as_table, list_groups
from ...operating.groups.plan_texts import plan_as_json, plan_as_lines
from ...operating.groups.planning import plan_reset
from ...operating.groups.resetting import carry_out
from ...operating.groups.targets import read_target
from ...operating.groups.texts import as_json, as_table
from ...operating.typed import read_places
from ...summaries import escaped
from ..interrupts import INTERRUPTED, interruptible
from ..pipes import ShowingCommand
from ..usage import Usage

USAGE = Usage(
    command="kafkagroups",
    examples={
        "list": "how far each group is behind",
        "lag marketing": "the same for each partition of a group",
        "lag marketing --json": "for an alert",
        "reset marketing --to 2026-01-31T12:30": "what moving it would do",
        "reset marketing --to 12 --topic orders:3 --apply": "moving it in one partition",
    },
    statuses={
        0: "done, or shown",
        1: "Kafka or a database can't be asked, there is no such group, or not all was moved",
        2: "wrong usage",
        INTERRUPTED: "Ctrl-C",
    },
)

NEWLINE = "\n"


class Command(ShowingCommand):
    usage = USAGE
    help = "Shows how far consumer groups are behind, and moves their offsets."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="list|lag|reset")
        listing = USAGE.add_action(actions, "list", "the groups of the settings, and what each has still to do")
        listing.add_argument("--json", action="store_true", help="one JSON document")
        lag = USAGE.add_action(actions, "lag", "how many messages each partition of a group has still to come")
        lag.add_argument("group", metavar="GROUP", help="the consumer_group of a configured consumer")
        lag.add_argument("--json", action="store_true", help="one JSON document")
        reset = USAGE.add_action(
            actions, "reset", "move a group's offsets; without --apply only say what that would do"
        )
        reset.add_argument("group", metavar="GROUP", help="the consumer_group of a configured consumer")
        reset.add_argument(
            "--to",
            dest="target",
            type=read_target,
            required=True,
            metavar="earliest|latest|OFFSET|TIME|+N|-N",
            help="the oldest message, the next one, an offset, a time like 2026-01-31T12:30, or N messages on or back",
        )
        reset.add_argument(
            "--topic",
            dest="places",
            type=read_places,
            default=(None, None),
            metavar="T[:P]",
            help="this topic alone, or one of its partitions",
        )
        reset.add_argument("--apply", action="store_true", help="do it")
        reset.add_argument("--json", action="store_true", help="one JSON document")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        actions: dict[str, Callable[..., str]] = {"list": _list, "lag": _lag, "reset": _reset}
        try:
            with interruptible():
                text = actions[options["action"]](options)
        except DatabaseError as error:
            done = "moved" if options.get("apply") else "read"
            raise CommandError(f"the stored offsets can't be {done}: {error}") from error
        self.stdout.write(escaped(text, keep=NEWLINE))


def _list(options: dict[str, Any]) -> str:
    groups = list_groups(get_settings())
    return groups_as_json(groups) if options["json"] else "\n".join(groups_as_table(groups))


def _lag(options: dict[str, Any]) -> str:
    lag = compute_lag(get_settings(), options["group"])
    outlook = look_ahead(lag)
    return as_json(lag, outlook) if options["json"] else "\n".join(as_table(lag, outlook))


def _reset(options: dict[str, Any]) -> str:
    settings, (topic, partition) = get_settings(), options["places"]
    plan = plan_reset(settings, options["group"], options["target"], topic=topic, partition=partition)
    moved_by = carry_out(settings, plan) if options["apply"] else None
    return plan_as_json(plan, moved_by) if options["json"] else "\n".join(plan_as_lines(plan, moved_by))

"""``manage.py kafkagroups``: how far consumer groups are behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from ...conf import get_settings
from ...errors import KafkaIntegrationError
from ...operating.groups.lag import compute_lag
from ...operating.groups.listing import groups_as_json, groups_as_table, list_groups
from ...operating.groups.texts import as_json, as_table
from ..interrupts import interruptible


class Command(BaseCommand):
    help = "Shows how far consumer groups are behind."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="list|lag")
        listing = actions.add_parser("list", help="the groups of the settings, and what each has still to do")
        listing.add_argument("--json", action="store_true", help="one JSON document")
        lag = actions.add_parser("lag", help="how many messages each partition of a group has still to come")
        lag.add_argument("group", metavar="GROUP", help="the consumer_group of a configured consumer")
        lag.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        actions: dict[str, Callable[..., str]] = {"list": _list, "lag": _lag}
        try:
            with interruptible():
                text = actions[options["action"]](options)
        except KafkaIntegrationError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(f"the stored offsets can't be read: {error}") from error
        self.stdout.write(text)


def _list(options: dict[str, Any]) -> str:
    groups = list_groups(get_settings())
    return groups_as_json(groups) if options["json"] else "\n".join(groups_as_table(groups))


def _lag(options: dict[str, Any]) -> str:
    lag = compute_lag(get_settings(), options["group"])
    return as_json(lag) if options["json"] else "\n".join(as_table(lag))

"""``manage.py kafkagroups``: how far a consumer group is behind."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from ...conf import get_settings
from ...errors import KafkaIntegrationError
from ...operating.lag import as_json, as_table, compute_lag
from ..interrupts import interruptible


class Command(BaseCommand):
    help = "Shows how far a consumer group is behind."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="lag")
        lag = actions.add_parser("lag", help="how many messages each partition of a group has still to come")
        lag.add_argument("group", metavar="GROUP", help="the consumer_group of a configured consumer")
        lag.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with interruptible():
                lag = compute_lag(get_settings(), options["group"])
        except KafkaIntegrationError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(f"the stored offsets can't be read: {error}") from error
        self.stdout.write(as_json(lag) if options["json"] else "\n".join(as_table(lag)))

"""``manage.py kafkaprocesses``: which processes of consumers and relays run, and what is asked of them."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from ...conf import get_settings
from ...errors import KafkaIntegrationError
from ...operating.presence.listing import as_json, as_lines, list_processes
from ..interrupts import interruptible
from ..pipes import leave_pipe


class Command(BaseCommand):
    help = "Shows the processes of consumers and relays."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="list")
        listing = actions.add_parser("list", help="who runs, where, what it owns and how far it is; lost ones too")
        listing.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with interruptible():
                getattr(self, f"_{options['action']}")(options)
        except BrokenPipeError:
            leave_pipe()
        except KafkaIntegrationError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(f"the table of processes can't be read (manage.py migrate makes it): {error}") from error

    def _list(self, options: dict[str, Any]) -> None:
        processes = list_processes(get_settings().operations)
        if options["json"]:
            self.stdout.write(as_json(processes))
            return
        for line in as_lines(processes):
            self.stdout.write(line)

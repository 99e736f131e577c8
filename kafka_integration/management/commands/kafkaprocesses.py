"""``manage.py kafkaprocesses``: which processes of consumers and relays run, and what is asked of them."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser, no_translations
from django.db import DatabaseError

from ...conf import get_settings
from ...operating.outboxes import as_json as outboxes_as_json
from ...operating.outboxes import as_lines as outboxes_as_lines
from ...operating.outboxes import look_at_outboxes
from ...operating.presence.asking import Order, ask, ask_all, process_of
from ...operating.presence.listing import as_json, as_lines, list_processes
from ...operating.typed import read_places
from ...operating.unattended import as_lines as unattended_as_lines
from ...summaries import escaped
from ...tables import unreadable
from ..arguments import read_id
from ..interrupts import INTERRUPTED, interruptible
from ..pipes import ShowingCommand
from ..usage import Usage

NEWLINE = "\n"
USAGE = Usage(
    command="kafkaprocesses",
    examples={
        "list": "who runs, what it is doing, and what nobody does",
        "outbox": "whether it is draining, and a relay runs",
        "pause invoices --topic orders:3": "leave one partition where it is",
        "resume invoices": "go on with all of it",
        "quiet 7": "let process 7 finish what it has in hand",
        "stop 7": "end it",
        "trace 7": "see where it hangs",
    },
    statuses={
        0: "done, or shown",
        1: "a process refuses, fails or doesn't answer within 10 seconds; there is none; or the database is away",
        2: "wrong usage",
        INTERRUPTED: "Ctrl-C",
    },
)


class Command(ShowingCommand):
    usage = USAGE
    help = "Shows the processes of consumers and relays, and asks them to do something."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(
            dest="action", required=True, metavar="list|outbox|pause|resume|quiet|stop|trace"
        )
        for name, text in (
            ("list", "who runs, where, what it owns and how far it is; lost ones too, and what nobody runs"),
            ("outbox", "what waits in the outbox of each database, which way it goes, and who relays it"),
        ):
            shown = USAGE.add_action(actions, name, text)
            shown.add_argument("--json", action="store_true", help="one JSON document")
        for name, text in (
            ("pause", "have a consumer leave partitions where they are, in all processes that run it"),
            ("resume", "have it go on with them"),
        ):
            action = USAGE.add_action(actions, name, text)
            action.add_argument("consumer", metavar="CONSUMER", help="its name in the settings")
            action.add_argument(
                "--topic",
                type=read_places,
                default=(None, None),
                metavar="T[:P]",
                help="this topic only, or one of its partitions",
            )
        for name, text in (
            ("quiet", "finish what is in hand, begin nothing more, and keep the partitions until it is stopped"),
            ("stop", "stop as by SIGTERM"),
            ("trace", "show where each of its threads and coroutines is"),
        ):
            action = USAGE.add_action(actions, name, text)
            action.add_argument("process", type=read_id, metavar="PROCESS", help="its id, as list shows it")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with interruptible():
                {"list": self._list, "outbox": self._outbox}.get(options["action"], self._ask)(options)
        except DatabaseError as error:
            table = "an outbox" if options["action"] == "outbox" else "the table of processes"
            raise CommandError(unreadable(table, error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        settings = get_settings()
        processes = list_processes(settings.operations)
        if options["json"]:
            self.stdout.write(as_json(processes))
            return
        for line in (*as_lines(processes), *unattended_as_lines(settings, processes)):
            self.stdout.write(line)

    def _outbox(self, options: dict[str, Any]) -> None:
        outboxes = look_at_outboxes(get_settings())
        self.stdout.write(outboxes_as_json(outboxes) if options["json"] else NEWLINE.join(outboxes_as_lines(outboxes)))

    def _ask(self, options: dict[str, Any]) -> None:
        operations, name = get_settings().operations, options["action"]
        if name in ("pause", "resume"):
            consumer, (topic, partition) = options["consumer"], options["topic"]
            arguments = {"consumer": consumer, "topic": topic, "partition": partition}
            answers = ask_all(Order(name=name, arguments=arguments), consumer, operations)
        else:
            answers = ask(Order(name=name), [process_of(options["process"], operations)])
        failed = 0
        for answer in answers:
            is_well = answer.is_done or answer.is_open
            failed += not is_well
            stream = self.stdout if is_well else self.stderr
            stream.write(f"process {answer.process.id}: {escaped(answer.text, keep=NEWLINE)}")
        if failed:
            awaited = sum(not answer.is_open for answer in answers)
            raise CommandError(f"{failed} of {awaited} process(es) did not {name}")

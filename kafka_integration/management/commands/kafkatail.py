"""``manage.py kafkatail``: a console to receive from."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...conf import get_settings
from ...operating.stopping import StopRequest
from ...operating.tailing import tail
from ...operating.typed import read_places, read_start_or_offset
from ..arguments import WRONG_USAGE, read_count
from ..pipes import ShowingCommand
from ..usage import Usage

USAGE = Usage(
    command="kafkatail",
    examples={
        "orders": "what comes from now on, until Ctrl-C",
        "orders --from earliest --max-messages 10": "the first ten that it gives",
        "orders --from 2026-01-31T12:30": "what was written since then, in the project's time zone",
        "orders:3 --from 12 --max-messages 1": "the one message with offset 12 in partition 3",
    },
    statuses={
        0: "so many messages were shown, Ctrl-C, or the reader has seen enough",
        1: "Kafka can't be asked, it has no such partition or offset, or the settings are wrong",
        2: "wrong usage",
    },
)


class Command(ShowingCommand):
    usage = USAGE
    help = "Shows the messages of a topic as they come. It joins no group and commits nothing."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "place", type=read_places, metavar="TOPIC[:PARTITION]", help="all of the topic, or one partition"
        )
        parser.add_argument(
            "--from",
            dest="start",
            type=read_start_or_offset,
            default="latest",
            metavar="earliest|latest|OFFSET|TIME",
            help="where to begin: the oldest message, the next one (default), an offset of the given partition, or a "
            "time like 2026-01-31T12:30",
        )
        parser.add_argument("--max-messages", type=read_count, metavar="N", help="stop after so many messages")

    def handle(self, *args: Any, **options: Any) -> None:
        (topic, partition), start = options["place"], options["start"]
        if isinstance(start, int) and partition is None:
            raise CommandError(
                f"--from {start} is an offset, and each partition has its own: give {topic}:PARTITION.",
                returncode=WRONG_USAGE,
            )
        # An exception that a signal raised in the middle of a callback of the client would be lost in it.
        stop = StopRequest()
        with stop.installed():
            self._show(topic, partition, stop, options)

    def _show(self, topic: str, partition: int | None, stop: StopRequest, options: dict[str, Any]) -> None:
        try:
            lines = tail(
                get_settings().connection,
                topic,
                partition=partition,
                start=options["start"],
                limit=options["max_messages"],
                when_absent=lambda: self.stderr.write(f"There is no topic {topic} yet: waiting for it."),
                should_stop=lambda: stop.is_made,
            )
            for line in lines:
                if line is None:
                    self.stdout.flush()
                else:
                    self.stdout.write(_writable(line))
        except KeyboardInterrupt:
            return


def _writable(line: str) -> str:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)

"""``manage.py kafkatail``: a console to receive from."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from ...client.topic_reader import Start
from ...conf import get_settings
from ...errors import BrokerError
from ...operating.stopping import StopRequest
from ...operating.tailing import tail
from ..arguments import read_count, read_topic
from ..pipes import leave_pipe


class Command(BaseCommand):
    help = "Shows the messages of a topic as they come. It joins no group and commits nothing."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("topic", type=read_topic)
        parser.add_argument(
            "--from",
            dest="start",
            type=read_start,
            default="latest",
            metavar="earliest|latest|TIME",
            help="where to begin: the oldest message, the next one (default), or a time like 2026-01-31T12:30",
        )
        parser.add_argument("--max-messages", type=read_count, metavar="N", help="stop after so many messages")

    def handle(self, *args: Any, **options: Any) -> None:
        # An exception that a signal raised in the middle of a callback of the client would be lost in it.
        stop = StopRequest()
        with stop.installed():
            self._show(options["topic"], stop, options)

    def _show(self, topic: str, stop: StopRequest, options: dict[str, Any]) -> None:
        lines = tail(
            get_settings().connection,
            topic,
            start=options["start"],
            limit=options["max_messages"],
            when_absent=lambda: self.stderr.write(f"There is no topic {topic} yet: waiting for it."),
            should_stop=lambda: stop.is_made,
        )
        try:
            for line in lines:
                if line is None:
                    self.stdout.flush()
                else:
                    self.stdout.write(_writable(line))
        except KeyboardInterrupt:
            return
        except BrokenPipeError:
            leave_pipe()
        except BrokerError as error:
            raise CommandError(str(error)) from error


def read_start(text: str) -> Start:
    if text in ("earliest", "latest"):
        return "earliest" if text == "earliest" else "latest"
    try:
        moment = parse_datetime(text)
        day = None if moment else parse_date(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text} is no time: {error}") from error
    if moment is None and day is not None:
        moment = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - made aware below, in the project's time zone
    if moment is None:
        raise ArgumentTypeError(f'{text} is neither "earliest" nor "latest" nor a time like 2026-01-31T12:30')
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment


def _writable(line: str) -> str:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)

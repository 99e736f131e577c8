"""``manage.py kafkaproduce``: a console to send from."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...errors import KafkaIntegrationError
from ...producing.console import send_lines
from ...producing.produce import produce
from ...producing.sender import default_sender
from ..arguments import read_topic
from ..interrupts import interruptible

TIMEOUT_SECONDS = 10.0


class Command(BaseCommand):
    help = "Sends a message to a topic; without a value, each line of the standard input."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("topic", type=read_topic)
        parser.add_argument("value", nargs="?", help="the message; without it, lines are read until they end")
        parser.add_argument("--key", help="decides about the partition: the same key, the same partition")
        parser.add_argument(
            "--header",
            dest="headers",
            action="append",
            type=read_header,
            default=[],
            metavar="NAME=VALUE",
            help="a header; may be given several times",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        topic, value, key, headers = (options[name] for name in ("topic", "value", "key", "headers"))
        try:
            # Here a missing key is no sign of a mistaken call; so it isn't produce_sync below, either.
            default_sender().check_topic(topic, key="")
            if value is None:
                self._send_lines(topic, key, headers)
            else:
                with interruptible():
                    sent = produce(topic, value, key=key, headers=headers).result(TIMEOUT_SECONDS)
                self.stdout.write(f"{sent.topic}[{sent.partition}]@{sent.offset}")
        except KafkaIntegrationError as error:
            raise CommandError(str(error)) from error

    def _send_lines(self, topic: str, key: str | None, headers: list[tuple[str, str]]) -> None:
        if sys.stdin.isatty():
            self.stderr.write(f"Each line is a message to {topic}. Ctrl-D ends.")
        count = send_lines(topic, getattr(sys.stdin, "buffer", sys.stdin), key=key, headers=headers)
        self.stdout.write(f"{count} message{'' if count == 1 else 's'} sent to {topic}")


def read_header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ArgumentTypeError(f"{text} is no header: write NAME=VALUE")
    return name, value

"""``manage.py kafkaproduce``: a console to send from, line by line a file too."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...conf import get_settings
from ...operating.typed import read_topic
from ...producing.arguments import max_message_bytes
from ...producing.console import LineSender
from ...producing.produce import produce
from ...producing.sender import default_sender
from ..arguments import WRONG_USAGE
from ..interrupts import INTERRUPTED, interruptible
from ..lines import Lines
from ..progress import ProgressBar, size_of
from ..usage import ExplainedCommand, Usage

TIMEOUT_SECONDS = 10.0
STANDARD_INPUT = "-"
USAGE = Usage(
    command="kafkaproduce",
    examples={
        """orders '{"id": 1, "total": 30}' --key 1""": "a message, and where it went",
        "orders --file orders.jsonl --key-field id": "each line of a file, keyed by its field id",
        "orders --header source=import": "lines that are typed or piped in",
    },
    statuses={
        0: "all were sent and confirmed; or Ctrl-D or Ctrl-C ended what somebody typed",
        1: "a message or line was not sent: which, and why; or the settings are wrong",
        2: "wrong usage",
        INTERRUPTED: "Ctrl-C ended a file: up to which line all were sent",
    },
)


class Command(ExplainedCommand):
    usage = USAGE
    help = "Sends a message to a topic; without a value, each line of a file or of the standard input."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("topic", type=read_topic, help="its name")
        parser.add_argument("value", nargs="?", help="the message; without it, lines are read until they end")
        parser.add_argument(
            "--file", metavar="PATH", help=f"send each line of this file; {STANDARD_INPUT} is the standard input"
        )
        keys = parser.add_mutually_exclusive_group()
        keys.add_argument("--key", help="decides about the partition: the same key, the same partition")
        keys.add_argument("--key-field", metavar="NAME", help="the key of each line is this field of its JSON object")
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
        topic, value = options["topic"], options["value"]
        if value is not None and (options["file"] is not None or options["key_field"] is not None):
            raise CommandError("give a value, or lines by --file or --key-field: not both", returncode=WRONG_USAGE)
        # Here a missing key is no sign of a mistaken call; so it isn't produce_sync below, either.
        default_sender().check_topic(topic, key="")
        if value is None:
            self._send_lines(topic, options)
        else:
            with interruptible():
                delivery = produce(topic, value, key=options["key"], headers=options["headers"])
                sent = delivery.result(TIMEOUT_SECONDS)
            self.stdout.write(f"{sent.topic}[{sent.partition}]@{sent.offset}")

    def _send_lines(self, topic: str, options: dict[str, Any]) -> None:
        longest = max_message_bytes(get_settings().producer)
        given = {name: options[name] for name in ("key", "key_field", "headers")}
        sender = LineSender(topic, longest=longest, **given)
        with _opened(options["file"]) as file, Lines(file, longest=longest) as lines:
            if options["file"] is None and sys.stdin.isatty():
                self.stderr.write(f"Each line is a message to {topic}. Ctrl-D ends.")
            # Where somebody types, it would be in the way.
            is_shown = options["file"] is not None and self.stderr.isatty()
            bar = ProgressBar(self.stderr, size_of(file), is_shown=is_shown)
            try:
                sender.send(lines, lambda: bar.show(lines.bytes_read, _sent(sender)))
            except KeyboardInterrupt:
                pass  # What isn't known of is reported.
            finally:
                bar.clear()
        self._report(topic, sender, is_interrupted=lines.is_interrupted and options["file"] is not None)

    def _report(self, topic: str, sender: LineSender, *, is_interrupted: bool) -> None:
        sent = f"{_sent(sender)} to {topic}"
        if sender.failures:
            raise CommandError(_failure(sender, sent))
        if sender.unconfirmed:
            raise CommandError(
                f"interrupted: {sent}; of {sender.unconfirmed} more, up to line {sender.read}, it isn't known whether "
                "they arrived",
                returncode=INTERRUPTED,
            )
        if is_interrupted:
            raise CommandError(f"interrupted: {sent}, which are the lines up to {sender.read}", returncode=INTERRUPTED)
        self.stdout.write(sent)


@contextmanager
def _opened(path: str | None) -> Iterator[Any]:
    if path is None or path == STANDARD_INPUT:
        yield getattr(sys.stdin, "buffer", sys.stdin)
        return
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - closed below: what goes wrong there is no failure to open it
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}") from error
    with file:
        yield file


def _sent(sender: LineSender) -> str:
    return f"{sender.sent} message{'' if sender.sent == 1 else 's'} sent"


def _failure(sender: LineSender, sent: str) -> str:
    """The first failure, which others too, and where somebody would go on."""
    (first, error), *others = sender.failures
    more = ""
    if others:
        numbers = ", ".join(str(number) for number, _ in others)
        unnamed = sender.failed - len(sender.failures)
        more = f" Nor lines {numbers}{f' and {unnamed} more' if unnamed else ''}."
    unknown = f" Of {sender.unconfirmed} more it isn't known." if sender.unconfirmed else ""
    return f"line {first} was not sent: {error}{more}{unknown} {sent}; nothing was read after line {sender.read}."


def read_header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ArgumentTypeError(f"{text} is no header: write NAME=VALUE")
    return name, value

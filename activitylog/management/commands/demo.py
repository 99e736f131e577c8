"""``manage.py demo``: the whole reference project in one terminal."""

from __future__ import annotations

import threading
from argparse import ArgumentTypeError
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.urls import reverse
from django.utils.termcolors import colorize

from activitylog.demo.operator import open_account
from activitylog.demo.parts import Part
from activitylog.demo.show import DemoError, run_demo

MOST_TRAFFIC = 200


def acts_a_second(text: str) -> float:
    try:
        acts = float(text)
    except ValueError:
        acts = -1
    if not 0 <= acts <= MOST_TRAFFIC:
        raise ArgumentTypeError(f"a number from 0 to {MOST_TRAFFIC} is needed, not {text!r}")
    return acts


class Command(BaseCommand):
    help = "Runs broker, relay, consumers and web in one terminal until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="where the site listens (default: 8000)")
        parser.add_argument(
            "--traffic", type=acts_a_second, default=0, metavar="N", help="simulate visitors who act N times a second"
        )

    def handle(self, *args: Any, port: int, traffic: float, **options: Any) -> None:
        self._lock = threading.Lock()
        self._has_colour = self.stdout.isatty() and not options["no_color"]
        call_command("migrate", verbosity=0, interactive=False)
        self._operator = open_account()
        connections.close_all()
        try:
            run_demo(port=port, traffic=traffic, output=self.print_line, announce=self.announce)
        except DemoError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Everything has stopped.")

    def print_line(self, part: Part, line: str) -> None:
        prefix = f"{part.name:>9} |"
        if self._has_colour:
            prefix = colorize(prefix, fg=part.colour)
        self._print(f"{prefix} {line}")

    def announce(self, url: str) -> None:
        self._print(
            "\n"
            f"  Ready.  The site:           {url}\n"
            f"          What becomes of it: {url}live/\n"
            f"          Who runs it:        {url.removesuffix('/')}{reverse('admin:kafka_integration_overview')}\n"
            f"                              {self._how_to_sign_in()}\n"
            "\n"
            "  Ctrl-C stops everything.\n"
        )

    def _how_to_sign_in(self) -> str:
        if self._operator is None:
            return "sign in with an account of yours that may see it"
        return f"sign in as {self._operator.name} with the password {self._operator.password}"

    def _print(self, text: str) -> None:
        with self._lock:
            self.stdout.write(text)
            self.stdout.flush()

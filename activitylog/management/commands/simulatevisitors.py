"""``manage.py simulatevisitors URL --traffic N``: people who log in, search and click."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from activitylog.demo.visitors import simulate

from .demo import acts_a_second


class Command(BaseCommand):
    help = "Simulates visitors of a development site, over HTTP, until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("url", help="where the site is, such as http://127.0.0.1:8000")
        parser.add_argument("--traffic", type=acts_a_second, default=2, metavar="N", help="acts a second (default: 2)")

    def handle(self, *args: Any, url: str, traffic: float, **options: Any) -> None:
        simulate(url.rstrip("/"), traffic, report=self.stdout.write)

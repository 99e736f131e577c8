"""Short scenes of publishing that need Django's own transactions."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from kafka_integration import publish


class Command(BaseCommand):
    help = "Plays one scene: savepoint, databases or one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("scene", choices=["savepoint", "databases", "one"])
        parser.add_argument("topic")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_play_{options['scene']}")(options["topic"])

    def _play_one(self, topic: str) -> None:
        publish(topic, "one")

    def _play_savepoint(self, topic: str) -> None:
        with transaction.atomic():
            publish(topic, "before", key="k")
            with transaction.atomic():
                publish(topic, "rolled back", key="k")
                transaction.set_rollback(True)
            publish(topic, "after", key="k")

    def _play_databases(self, topic: str) -> None:
        with transaction.atomic(using="second"):
            publish(topic, "second, committed", using="second")
        with transaction.atomic(using="second"):
            publish(topic, "second, rolled back", using="second")
            publish(topic, "default, on its own")
            transaction.set_rollback(True, using="second")

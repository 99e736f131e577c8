"""Writers that publish in transactions of random length, some of which roll back."""

from __future__ import annotations

import random
import signal
import threading
import time
from itertools import count
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import InterfaceError, InternalError, OperationalError, connections, transaction

from kafka_integration import publish
from tests.publishing.models import Account, Published


class Command(BaseCommand):
    help = "Publishes {key, seq} messages, and keeps a record of those whose transaction committed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("topic")
        parser.add_argument("--writers", type=int, default=4)
        parser.add_argument("--transactions", type=int, default=50, help="of each writer")
        parser.add_argument(
            "--forever", action="store_true", help="as many transactions as there is time for, until SIGTERM"
        )
        parser.add_argument("--keys", type=int, default=10)
        parser.add_argument("--rollbacks", type=float, default=0.2, help="the share of transactions that roll back")
        parser.add_argument("--delay-ms", type=float, default=20, help="the most that a transaction stays open")
        parser.add_argument("--using", default="default")
        parser.add_argument("--seed", type=int, default=1)

    def handle(self, *args: Any, **options: Any) -> None:
        names = [f"account-{number}" for number in range(options["keys"])]
        Account.objects.using(options["using"]).bulk_create(map(_account, names), ignore_conflicts=True)
        connections[options["using"]].close()
        over = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: over.set())
        writers = [
            threading.Thread(target=_write, args=(random.Random(options["seed"] * 1000 + number), names, options, over))
            for number in range(options["writers"])
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()


def _account(name: str) -> Account:
    return Account(name=name)


def _write(chance: random.Random, names: list[str], options: dict[str, Any], over: threading.Event) -> None:
    using = options["using"]
    for _ in count() if options["forever"] else range(options["transactions"]):
        if over.is_set():
            break
        try:
            with transaction.atomic(using=using):
                for name in sorted(chance.sample(names, chance.randint(1, 2))):
                    _publish(name, options["topic"], using)
                time.sleep(chance.random() * options["delay_ms"] / 1000)
                if chance.random() < options["rollbacks"]:
                    transaction.set_rollback(True, using=using)
        except (OperationalError, InterfaceError, InternalError) as error:
            # The database was restarted, or takes no writes: what this transaction published is gone with it.
            print(f"a transaction failed: {type(error).__name__}", flush=True)
            connections[using].close()
            time.sleep(0.2)
    connections[using].close()


def _publish(name: str, topic: str, using: str) -> None:
    account = Account.objects.using(using).select_for_update().get(name=name)
    account.seq += 1
    account.save(using=using)
    event_id = publish(topic, {"key": name, "seq": account.seq}, key=name, using=using)
    Published.objects.using(using).create(key=name, seq=account.seq, event_id=event_id)

"""Each message becomes a row, and the offset is saved in its transaction: exactly once, whatever happens between.

At the end the table is counted: a row for each message that was handled, none twice.
"""

from __future__ import annotations

import json
import os
import signal
import sys

import django
import psycopg

from ..workload import BATCH
from . import database
from .meter import Meter, leave, work
from .raw import TUNED, consumer_of_group

TABLE = "shop_order"
OFFSETS = "bench_offset"


class Orders:
    """Our handler; when enough are written it asks its process to stop, which then finishes what it has begun."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}
        self.meter = Meter(work().messages, on_done=self._stop)

    def _stop(self) -> None:
        self.figures = self.meter.figures()
        os.kill(os.getpid(), signal.SIGTERM)

    def leave(self) -> None:
        if (written := database.count(TABLE)) != self.meter.count:
            raise SystemExit(f"{self.meter.count} messages were handled and {written} rows written")
        leave(self.figures)


def ours() -> None:
    database.empty(TABLE)
    django.setup()
    from django.core.management import call_command

    from . import order_handlers

    call_command("runconsumer")
    order_handlers.orders.leave()


def raw() -> None:
    """The same statements by hand: INSERT, the offset, COMMIT, for one message after the other."""
    database.empty(TABLE)
    consumer, meter = consumer_of_group({**TUNED, "enable.auto.commit": False}), Meter(work().messages)
    with psycopg.connect(database.url()) as connection:
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {OFFSETS} (grp text, number int, next bigint, PRIMARY KEY (grp, number))"
        )
        while True:
            for message in consumer.consume(BATCH, 0.1):
                if message.error():
                    continue
                value = json.loads(message.value() or b"")
                connection.execute(
                    f'INSERT INTO {TABLE} (number, "user", amount) VALUES (%s, %s, %s)',
                    (value["id"], value["user"], value["amount"]),
                )
                connection.execute(
                    f"INSERT INTO {OFFSETS} VALUES (%s, %s, %s) "
                    "ON CONFLICT (grp, number) DO UPDATE SET next = excluded.next",
                    (work().group, message.partition(), (message.offset() or 0) + 1),
                )
                connection.commit()
                meter.add(value["size"])


FORMS = {"ours": ours, "raw": raw}

if __name__ == "__main__":
    FORMS[sys.argv[1]]()

"""Each message becomes a row, and the offset is saved in its transaction: exactly once, whatever happens between.

At the end the table is counted: a row for each message that was handled, none twice.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from queue import SimpleQueue
from threading import Lock, Thread

import django
import psycopg
from confluent_kafka import Message as RawMessage

from ..workload import BATCH
from . import database
from .meter import Meter, leave, work
from .ours import without_fast
from .raw import TUNED, consumer_of_group

TABLE = "shop_order"
SESSIONS = 8
OFFSETS = "bench_offset"
MAKE_OFFSETS = f"CREATE TABLE IF NOT EXISTS {OFFSETS} (grp text, number int, next bigint, PRIMARY KEY (grp, number))"
SAVE_OFFSET = f"INSERT INTO {OFFSETS} VALUES (%s, %s, %s) ON CONFLICT (grp, number) DO UPDATE SET next = excluded.next"
INSERT = f'INSERT INTO {TABLE} (number, "user", amount) VALUES (%s, %s, %s)'


class Writing:
    """What our handlers have written to a table; when it is enough, the process is asked to stop, as it is in use.

    It finishes what it has begun, and then the table has a row for each message that was handled.
    """

    def __init__(self, table: str) -> None:
        self.figures: dict[str, float] = {}
        self.meter = Meter(work().messages, on_done=self._stop)
        self._table = table

    def _stop(self) -> None:
        self.figures = self.meter.figures()
        os.kill(os.getpid(), signal.SIGTERM)

    def leave(self) -> None:
        if (written := database.count(self._table)) != self.meter.count:
            raise SystemExit(f"{self.meter.count} messages were handled and {written} rows written")
        leave(self.figures)


def ours() -> None:
    database.empty(TABLE)
    without_fast()
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
        connection.execute(MAKE_OFFSETS)
        while True:
            for message in consumer.consume(BATCH, 0.1):
                if message.error():
                    continue
                value = json.loads(message.value() or b"")
                connection.execute(INSERT, (value["number"], value["user"], value["amount"]))
                connection.execute(SAVE_OFFSET, (work().group, message.partition(), (message.offset() or 0) + 1))
                connection.commit()
                meter.add(value["size"])


def in_threads() -> None:
    """The INSERTs alone, by as many sessions as one database likes, a COMMIT each: no offset, no order, no waiting."""
    database.empty(TABLE)
    meter, lock, waiting = Meter(work().messages), Lock(), SimpleQueue[RawMessage]()

    def write() -> None:
        with psycopg.connect(database.url()) as connection:
            while True:
                value = json.loads(waiting.get().value() or b"")
                with lock:
                    meter.begin_once()
                connection.execute(INSERT, (value["number"], value["user"], value["amount"]))
                connection.commit()
                with lock:
                    meter.add(value["size"])

    for _ in range(SESSIONS):
        Thread(target=write, daemon=True).start()
    consumer = consumer_of_group(TUNED)
    while True:
        for message in consumer.consume(BATCH, 0.1):
            waiting.put(message)


FORMS = {"ours": ours, "raw": raw, "threads": in_threads}

if __name__ == "__main__":
    FORMS[sys.argv[1]]()

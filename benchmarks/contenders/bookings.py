"""A topic becomes a table, a row for each number: by our sink, by Django's bulk operations, by PostgreSQL's COPY.

All save the offsets in the transaction of the rows. At the end the table is counted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import django
import psycopg
from confluent_kafka import Message as RawMessage

from ..workload import BATCH
from . import database
from .meter import Meter, work
from .orders import MAKE_OFFSETS, SAVE_OFFSET
from .ours import without_fast
from .raw import TUNED, consumer_of_group

TABLE = "shop_booking"


def ours() -> None:
    database.empty(TABLE)
    without_fast()
    django.setup()
    from django.core.management import call_command

    from . import booking_sink

    call_command("runconsumer")
    booking_sink.bookings.leave()


def bulk() -> None:
    """`bulk_create` with `update_conflicts`, and the offsets likewise, in one `atomic`."""
    database.empty(TABLE)
    django.setup()
    from django.db import connection, transaction

    from .shop.models import Booking

    with connection.cursor() as cursor:
        cursor.execute(MAKE_OFFSETS)
    for messages, values in batches():
        with transaction.atomic():
            Booking.objects.bulk_create(
                [Booking(number=value["number"], user=value["user"], amount=value["amount"]) for value in values],
                update_conflicts=True,
                unique_fields=["number"],
                update_fields=["user", "amount"],
            )
            with connection.cursor() as cursor:
                cursor.executemany(SAVE_OFFSET, ends_of(messages))


def copy() -> None:
    """COPY: it adds rows, and fails where one is there already."""
    database.empty(TABLE)
    with psycopg.connect(database.url(), autocommit=True) as connection:
        connection.execute(MAKE_OFFSETS)
        for messages, values in batches():
            with connection.transaction(), connection.cursor() as cursor:
                with cursor.copy(f'COPY {TABLE} (number, "user", amount) FROM STDIN') as rows:
                    for value in values:
                        rows.write_row((value["number"], value["user"], value["amount"]))
                cursor.executemany(SAVE_OFFSET, ends_of(messages))


def batches() -> Iterator[tuple[list[RawMessage], list[dict[str, object]]]]:
    """Messages with their values, until enough of them are written."""
    meter = Meter(work().messages, on_done=lambda: None)
    consumer = consumer_of_group({**TUNED, "enable.auto.commit": False})
    while meter.count < meter.expected:
        messages = [message for message in consumer.consume(BATCH, 0.1) if not message.error()]
        if messages:
            meter.begin_once()
            values = [json.loads(message.value() or b"") for message in messages]
            yield messages, values
            meter.add_many(len(values), sum([value["size"] for value in values]))
    if (written := database.count(TABLE)) != meter.count:
        raise SystemExit(f"{meter.count} messages were handled and {written} rows written")
    meter.leave()


def ends_of(messages: list[RawMessage]) -> list[tuple[str, int, int]]:
    ends = {message.partition(): (message.offset() or 0) + 1 for message in messages}
    return [(work().group, number or 0, end) for number, end in sorted(ends.items())]


FORMS = {"ours": ours, "bulk": bulk, "copy": copy}

if __name__ == "__main__":
    FORMS[sys.argv[1]]()

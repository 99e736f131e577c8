"""An outbox on PostgreSQL, relayed by `runrelay` and by the loop that people write instead."""

from __future__ import annotations

import sys

import django
import psycopg
from confluent_kafka import Producer

from .. import workload
from . import database
from .meter import Meter, work

PAGE = 500
FILL_PAGE = 5000
TABLE = "kafka_integration_outboxmessage"


def plain_loop() -> None:
    """A page, locked, produced, flushed, deleted, committed, and so on: at least once, in order while nothing fails.

    Without the lock two of them would send everything twice, and without a callback what Kafka refused would be
    deleted.
    """
    meter, url = filled()

    def on_delivery(error: object, message: object) -> None:
        if error is not None:
            raise SystemExit(f"a message was not written: {error}")

    producer = Producer({"bootstrap.servers": work().servers, "linger.ms": 5, "enable.idempotence": True})
    with psycopg.connect(url) as connection:
        meter.begin()
        while rows := connection.execute(
            f"SELECT id, topic, key, value, headers FROM {TABLE} ORDER BY id LIMIT {PAGE} FOR UPDATE SKIP LOCKED"
        ).fetchall():
            for _, topic, key, value, headers in rows:
                pairs = [(name, text) for name, text in headers]
                producer.produce(topic, value, key, on_delivery=on_delivery, headers=pairs)
            if producer.flush(60):
                raise SystemExit("not all messages were written")
            connection.execute(f"DELETE FROM {TABLE} WHERE id = ANY(%s)", [[row[0] for row in rows]])
            connection.commit()
            meter.add_many(len(rows), sum([len(row[3]) for row in rows]))


def relay() -> None:
    """As `runrelay --once` runs it, but for the fifth of a second in which it notices that it has finished."""
    meter, _ = filled()
    from kafka_integration.conf import get_settings
    from kafka_integration.models import OutboxMessage
    from kafka_integration.operating.garbage import spare_the_collector
    from kafka_integration.outbox.relay import Relay

    spare_the_collector()
    relay = Relay("default", get_settings())
    meter.begin()
    relay.run(once=True)
    # What they hold it need not look at; that all of it arrived, the topic shows.
    sent = work().messages - OutboxMessage.objects.count()
    meter.add_many(sent, sent * workload.VALUE_BYTES)


def filled() -> tuple[Meter, str]:
    """Rows as `publish` writes them, in a table that PostgreSQL knows nothing of yet; and where that is."""
    django.setup()
    from kafka_integration.outbox.publish import build_message, write

    database.empty(TABLE)
    messages = work().messages
    for start in range(0, messages, FILL_PAGE):
        numbers = range(start, min(start + FILL_PAGE, messages))
        rows = [
            build_message(work().topic, workload.value(n), key=f"user-{n % workload.KEYS}", event_type="order.created")
            for n in numbers
        ]
        write(rows, "default")
    return Meter(messages), database.url()


FORMS = {"relay": relay, "plain": plain_loop}

if __name__ == "__main__":
    FORMS[sys.argv[1]]()

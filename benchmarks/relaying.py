"""An outbox on PostgreSQL, relayed by ``runrelay`` and by the loop that people write instead."""

from __future__ import annotations

import os
from time import perf_counter, process_time

import django
import psycopg
from confluent_kafka import Producer

from . import workload
from .handlers import meter

PAGE = 500
FILL_PAGE = 5000
TABLE = "kafka_integration_outboxmessage"


def plain_loop(servers: str, messages: int) -> None:
    """A page, produced, flushed, deleted, committed, and so on: at least once, in order while nothing fails."""
    _fill(messages)
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 5, "enable.idempotence": True})
    with psycopg.connect(os.environ["BENCH_DATABASE"]) as connection:
        meter.began = perf_counter()
        while rows := connection.execute(
            f"SELECT id, topic, key, value, headers FROM {TABLE} ORDER BY id LIMIT {PAGE}"
        ).fetchall():
            for _, topic, key, value, headers in rows:
                producer.produce(topic, value, key, headers=[(name, text) for name, text in headers])
            if producer.flush(60):
                raise SystemExit("not all records were written")
            connection.execute(f"DELETE FROM {TABLE} WHERE id = ANY(%s)", [[row[0] for row in rows]])
            connection.commit()
            meter.count += len(rows)
        meter.ended = perf_counter()


def our_relay(messages: int) -> None:
    """As ``runrelay --once`` runs it, but for the fifth of a second in which it notices that it has finished."""
    _fill(messages)
    from kafka_integration.conf import get_settings
    from kafka_integration.models import OutboxMessage
    from kafka_integration.operating.runner import spare_the_collector
    from kafka_integration.outbox.relay import Relay

    spare_the_collector()
    relay = Relay("default", get_settings())
    meter.began = perf_counter()
    relay.run(once=True)
    meter.ended = perf_counter()
    meter.count = messages - OutboxMessage.objects.count()


def _fill(messages: int) -> None:
    """Rows as ``publish`` writes them, in a table that PostgreSQL knows nothing of yet."""
    django.setup()
    from django.core.management import call_command

    from kafka_integration.outbox.publish import build_message, write

    call_command("migrate", verbosity=0)
    with psycopg.connect(os.environ["BENCH_DATABASE"], autocommit=True) as connection:
        connection.execute(f"TRUNCATE {TABLE}")
    topic = f"{workload.TOPIC}-out"
    for start in range(0, messages, FILL_PAGE):
        numbers = range(start, min(start + FILL_PAGE, messages))
        rows = [
            build_message(topic, workload.value(n), key=f"user-{n % workload.KEYS}", event_type="order.created")
            for n in numbers
        ]
        write(rows, "default")
    meter.cpu_before = process_time()

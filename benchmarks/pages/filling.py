"""Tables as they are after a bad week: dead letters and outbox rows by the million, and processes that say much."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Model
from django.utils import timezone

from kafka_integration.dead_letters.redaction import kind_of
from kafka_integration.headers import dump_headers
from kafka_integration.models import DeadLetter, LagSample, OutboxMessage, Process

from .sizes import PARTITIONS, PROCESSES

SEED_ROWS = 1000
RARE = "rare"
"""The consumer, group, topic and exception of one dead letter, and the topic of one row: the oldest of all."""
EXCEPTIONS = ("builtins.ValueError", "builtins.KeyError", "shop.errors.OutOfStockError", "django.db.utils.DataError")
TRACEBACK = "".join(
    f'  File "/srv/shop/{name}.py", line {line}, in handle\n    return self.next_step(order, retries)\n'
    for line, name in enumerate(("views", "models", "stock", "payments", "mails", "orders", "prices", "wares"), 100)
)

_random = Random(7)


def fill(rows: int) -> None:
    """So many dead letters and so many rows of the outbox; all is in the settings' database afterwards."""
    _fill_table(DeadLetter, [_rare_letter(), *_letters()], rows, {"offset": "seed.offset + {step} * copies.number"})
    _fill_table(OutboxMessage, [_rare_row(), *_rows()], rows, {})
    Process.objects.bulk_create(_process(number) for number in range(PROCESSES))
    LagSample.objects.bulk_create(_samples(), batch_size=500)
    with connection.cursor() as cursor:
        # As autovacuum does by itself after a while; SQLite plans without statistics, as in most projects.
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")


def _fill_table(model: type[Model], seed: list[Any], rows: int, changed: dict[str, str]) -> None:
    """The first of the seed stands alone, of the others there are copies: made in the database, which is quick."""
    model._default_manager.bulk_create(seed)
    quote = connection.ops.quote_name
    columns = [field.column for field in model._meta.concrete_fields if not field.primary_key]
    values = [changed.get(column, f"seed.{quote(column)}").format(step=10 * SEED_ROWS) for column in columns]
    table, names = quote(model._meta.db_table), ", ".join(map(quote, columns))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) "
            f"WITH RECURSIVE copies(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM copies WHERE number < %s) "
            f"SELECT {', '.join(values)} FROM copies CROSS JOIN (SELECT * FROM {table} WHERE topic <> %s) AS seed",
            [max(1, rows // SEED_ROWS - 1), RARE],
        )


def _letters() -> Iterator[DeadLetter]:
    for number in range(SEED_ROWS):
        consumer = _random.choice([settings.ORDERS_GROUP, *settings.OTHER_GROUPS])
        exception, line = _random.choice(EXCEPTIONS), _random.randrange(100, 103)
        state = _random.choices(DeadLetter.State.values, weights=(90, 1, 5, 4))[0]
        is_settled = state in (DeadLetter.State.HANDLED, DeadLetter.State.DISCARDED)
        at = timezone.now() - timedelta(seconds=_random.randrange(7 * 24 * 3600))
        yield _letter(
            consumer,
            exception=exception,
            offset=number,
            location=f"shop/stock.py:{line} in handle",
            state=state,
            event_id=f"event-{number}",
            failed_at=at,
            settled_at=at + timedelta(hours=1) if is_settled else None,
            topic=settings.ORDERS if consumer == settings.ORDERS_GROUP else "payments",
        )


def _rare_letter() -> DeadLetter:
    return _letter(
        RARE,
        exception=RARE,
        offset=1,
        location="shop/rare.py:1 in handle",
        event_id=RARE,
        failed_at=timezone.now() - timedelta(days=20),
        topic=RARE,
    )


def _letter(consumer: str, *, exception: str, location: str, event_id: str, **fields: Any) -> DeadLetter:
    return DeadLetter(
        consumer=consumer,
        group=consumer,
        partition=_random.randrange(PARTITIONS),
        key=b"customer-17",
        value=b"x" * 200,
        timestamp_ms=1_700_000_000_000,
        timestamp_type="create",
        exception=exception,
        reason="the warehouse has none of these any more: order it again, or take another one",
        traceback=TRACEBACK,
        location=location,
        kind=kind_of(consumer, exception, location),
        event_id=event_id,
        headers=dump_headers([("ce_id", event_id.encode()), ("ce_type", b"order.placed")]),
        **fields,
    )


def _rows() -> Iterator[OutboxMessage]:
    for number in range(SEED_ROWS):
        refusal = {"refused_at": timezone.now(), "refusal": "the message is too large"} if number % 500 == 7 else {}
        yield _row(_random.choice([settings.ORDERS, "payments", "mails"]), **refusal)


def _rare_row() -> OutboxMessage:
    return _row(RARE)


def _row(topic: str, **fields: Any) -> OutboxMessage:
    headers = dump_headers([("ce_id", b"1c7a52f4-7c86-4a3c-a5a7-6b1f2a1c0d7e"), ("ce_type", b"order.placed")])
    return OutboxMessage(topic=topic, key=b"customer-17", value=b"x" * 200, headers=headers, **fields)


def _process(number: int) -> Process:
    """One of those that share the partitions of the large topic, and each of which runs another consumer besides."""
    owned = range(number, PARTITIONS, PROCESSES)
    others = [settings.OTHER_GROUPS[number % len(settings.OTHER_GROUPS)]]
    return Process(
        kind=Process.Kind.CONSUMER,
        host=f"worker-{number}",
        pid=1000 + number,
        state="running",
        version="1.0",
        memory_bytes=90_000_000,
        consumers=[
            _consumer(settings.ORDERS_GROUP, settings.ORDERS, owned),
            *(_consumer(name, "payments", [number]) for name in others),
        ],
    )


def _consumer(name: str, topic: str, partitions: Any) -> dict[str, Any]:
    return {
        "name": name,
        "group": name,
        "state": "running",
        "handled": 120_000,
        "failed": 12,
        "rate": 40.0,
        "partitions": [
            {
                "topic": topic,
                "partition": partition,
                "position": 12_000,
                "lag": 7,
                "time_lag_seconds": 0.4,
                "state": "waiting" if partition % 50 == 1 else "catching_up",
                "reason": "backoff" if partition % 50 == 1 else None,
                "stuck_offset": None,
            }
            for partition in partitions
        ],
    }


def _samples() -> Iterator[LagSample]:
    """What is kept of a month: all of the last hour, fewer of the day, and few of what is older."""
    now = timezone.now().replace(microsecond=0)
    ages = [*range(0, 3600, 15), *range(3600, 24 * 3600, 300), *range(24 * 3600, 30 * 24 * 3600, 3600)]
    for group in (settings.ORDERS_GROUP, *settings.OTHER_GROUPS):
        size = PARTITIONS if group == settings.ORDERS_GROUP else 4
        positions = {"topic": {str(number): [0, 10, 20] for number in range(size)}}
        for age in ages:
            yield LagSample(
                group=group,
                at=now - timedelta(seconds=age),
                lag=_random.randrange(1000),
                time_lag_seconds=1.0,
                positions=positions if age < 3600 else None,
            )

"""Handlers that write to a database."""

from __future__ import annotations

from ..catalogue import Row, ours, program

K = 1000

ORDERS = Row(
    name="orders",
    title="A model saved for each message, exactly once",
    about="The handler calls `save()`; the offset is saved in the same transaction, on PostgreSQL, which writes each "
    "commit to the disk. By hand means psycopg: the same INSERT, the offset, COMMIT.",
    contenders=(
        ours(
            "orders-batch",
            '`save()`, `"transaction": "batch"`',
            "order_handlers.save",
            messages=8 * K,
            module="orders",
            value_deserializer="json",
            offset_storage="database",
            transaction="batch",
        ),
        ours(
            "orders-message",
            '`save()`, `"transaction": "message"`',
            "order_handlers.save",
            messages=2 * K,
            module="orders",
            value_deserializer="json",
            offset_storage="database",
        ),
        program(
            "orders-raw", "by hand, a commit a message", "raw", messages=3 * K, module="orders", needs_database=True
        ),
    ),
)

WAITING_ORDERS = Row(
    name="orders-key",
    title="Many at a time, exactly once: a handler that waits 10 ms and saves a model",
    about='64 at a time by key, `"offset_storage": "database"`. Beside it the INSERTs alone: 8 psycopg threads, a '
    "commit each, without offsets, without an order and without waiting.",
    contenders=(
        ours(
            "orders-key",
            "message handler, 64 at a time by key",
            "order_handlers.save_after_waiting",
            messages=3 * K,
            module="orders",
            value_deserializer="json",
            offset_storage="database",
            ordering="key",
            concurrency=64,
        ),
        program("orders-threads", "8 psycopg threads", "threads", messages=5 * K, module="orders", needs_database=True),
    ),
)

SINK = Row(
    name="sink",
    title="A topic becomes a table, exactly once",
    about="`ModelSink` and `bulk_create(update_conflicts=True)` write a row over the one that it replaces; COPY only "
    "adds. Up to 500 messages and their offsets are one transaction; values are read by Python's `json`.",
    contenders=(
        ours(
            "sink",
            "`ModelSink`",
            "booking_sink.BookingSink",
            messages=60 * K,
            module="bookings",
            value_deserializer="json",
            offset_storage="database",
        ),
        program("sink-bulk", "`bulk_create`", "bulk", messages=40 * K, module="bookings", needs_database=True),
        program("sink-copy", "psycopg, COPY", "copy", messages=80 * K, module="bookings", needs_database=True),
    ),
)

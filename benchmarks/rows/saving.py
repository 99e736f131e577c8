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

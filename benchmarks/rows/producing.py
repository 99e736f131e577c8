"""Producing, and relaying an outbox."""

from __future__ import annotations

from ..catalogue import Row, peer, program

K = 1000

PRODUCE = Row(
    name="produce",
    title="Producing, with an answer for each message",
    about="Idempotent, acknowledged by all replicas, and it is known of each message that it arrived.",
    contenders=(
        program(
            "produce", "`produce()`", "deliveries", messages=300 * K, module="producing", topic="empty", is_ours=True
        ),
        program(
            "produce-batch",
            "`produce_batch()`",
            "batches",
            messages=200 * K,
            module="producing",
            topic="empty",
            is_ours=True,
        ),
        program(
            "raw-produce",
            "the client's `produce()`, a callback each",
            "raw",
            messages=300 * K,
            module="producing",
            topic="empty",
        ),
        program(
            "raw-produce-batch",
            "the client's `produce_batch()`, a callback each",
            "raw-batches",
            messages=200 * K,
            module="producing",
            topic="empty",
        ),
        peer(
            "quixstreams", "produce", "Quix Streams (no answers: flushed at the end)", messages=300 * K, topic="empty"
        ),
        peer(
            "django_kafka", "produce", "django-kafka (no answers: flushed at the end)", messages=200 * K, topic="empty"
        ),
        peer("arroyo", "produce", "sentry-arroyo, futures", messages=40 * K, topic="empty"),
        peer("aiokafka", "produce", "aiokafka, 500 futures at a time", messages=40 * K, topic="empty"),
        peer("faststream", "produce", "FastStream, 500 `publish` at a time", messages=30 * K, topic="empty"),
    ),
)

RELAY = Row(
    name="relay",
    title="Relaying an outbox",
    about="Rows of an outbox in PostgreSQL go to Kafka. The loop that people write locks 500 rows, produces them, "
    "flushes, deletes them and commits; it knows no held keys, and ends at the first failure.",
    contenders=(
        program(
            "relay",
            "`runrelay`",
            "relay",
            messages=40 * K,
            module="relaying",
            topic="empty",
            needs_database=True,
            is_ours=True,
        ),
        program(
            "plain-relay",
            "the loop that people write",
            "plain",
            messages=40 * K,
            module="relaying",
            topic="empty",
            needs_database=True,
        ),
    ),
)

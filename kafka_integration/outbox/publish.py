"""Publish with the transaction: a row in the outbox, which commits or rolls back with everything else.

Nothing here speaks to Kafka: ``runrelay`` does, after the commit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any

from django.db import connections, router, transaction

from ..cloudevents import with_event_headers
from ..conf import get_settings
from ..errors import InvalidBatchError, InvalidMessageError
from ..headers import GivenHeaders, dump_headers, normalize_headers
from ..models import OutboxMessage
from ..producing.arguments import (
    BatchMessage,
    arguments_of,
    check_batch,
    check_partition,
    check_size,
    check_topic,
    read_timestamp,
)
from ..serialization import serialize_message
from ..tracing import tracing_of
from .notify import commits_by_hand, notify_on_commit
from .statements import statements_of
from .unattended import note_published

logger = logging.getLogger("kafka_integration.producing")

# Of a statement: more rows gain nothing, and all of them are in memory twice.
ROWS_AT_ONCE = 5000
SHOWN_REFUSALS = 3


def publish(
    topic: str,
    value: Any,
    *,
    key: Any = None,
    headers: GivenHeaders | None = None,
    partition: int | None = None,
    timestamp: datetime | int | None = None,
    using: str | None = None,
) -> str:
    """Send a message when, and only when, the open transaction commits; returns the event's id.

    ``using`` names the database whose transaction that is; outside of one the message is its own. It carries
    CloudEvents headers, of which ``ce_id`` lets a consumer recognise a repeat; headers of the same names in
    ``headers`` win. Raises InvalidMessageError for what Kafka could not take, and Django's NotSupportedError for a
    database that is neither PostgreSQL nor SQLite.
    """
    alias = _database_for(using)
    message = build_message(
        topic, value, key=key, headers=headers, partition=partition, timestamp=timestamp, event_type=str(topic)
    )
    write([message], alias)
    return _event_id(message)


def publish_batch(topic: str, messages: Iterable[BatchMessage], using: str | None = None) -> list[str]:
    """``publish`` for many messages, with one INSERT; returns the events' ids, in the order of ``messages``.

    A message is a ``(key, value)`` pair or a dict with ``value`` and perhaps ``key``, ``headers``, ``partition``,
    ``timestamp``. All of them are in the open transaction of ``using``, or in one of their own. Raises
    InvalidBatchError, an InvalidMessageError whose ``failed`` says by index what Kafka could not take, before anything
    is written.
    """
    check_batch(topic, messages)
    alias = _database_for(using)
    rows = _build_all(topic, messages)
    if rows:
        write(rows, alias)
    return [_event_id(row) for row in rows]


def build_message(
    topic: str,
    value: Any,
    *,
    event_type: str,
    key: Any = None,
    headers: GivenHeaders | None = None,
    partition: int | None = None,
    timestamp: datetime | int | None = None,
) -> OutboxMessage:
    """The outbox row of a message, checked as ``produce`` checks it, and not saved."""
    settings = get_settings()
    producer = settings.producer
    check_topic(topic, producer)
    if partition is not None:
        check_partition(topic, partition)
    pairs = with_event_headers(normalize_headers(headers), event_type, settings, value)
    tracing = tracing_of(wanted=settings.tracing)
    with nullcontext() if tracing is None else tracing.creating(topic, pairs):
        key_bytes, value_bytes = serialize_message(
            topic, key, value, pairs, key_serializer=producer.key_serializer, value_serializer=producer.value_serializer
        )
        check_size(topic, key_bytes, value_bytes, pairs, producer)
    return OutboxMessage(
        topic=topic,
        key=key_bytes,
        value=value_bytes,
        headers=dump_headers(pairs),
        partition=partition,
        timestamp_ms=None if timestamp is None else read_timestamp(topic, timestamp),
    )


def write(messages: Sequence[OutboxMessage], alias: str) -> None:
    """Put rows into a database's outbox; refuses a database that no relay could take them from."""
    statements_of(alias)
    # Rows and notification commit together, also where no transaction is open: an error after the row is written would
    # make the caller publish again.
    with transaction.atomic(using=alias, savepoint=False):
        if len(messages) == 1:
            messages[0].save(using=alias, force_insert=True)
        else:
            OutboxMessage.objects.using(alias).bulk_create(messages, batch_size=ROWS_AT_ONCE)
        announce(alias)


def announce(alias: str) -> None:
    """Rows were written in a database: wake its relay, if that is wanted, and see now and then that there is one."""
    if get_settings().outbox.notify:
        notify_on_commit(alias)
    note_published(alias)


def _build_all(topic: str, messages: Iterable[BatchMessage]) -> list[OutboxMessage]:
    check_topic(topic, get_settings().producer)
    rows: list[OutboxMessage] = []
    refused: dict[int, InvalidMessageError] = {}
    for index, message in enumerate(messages):
        try:
            value, key, headers, partition, timestamp = arguments_of(topic, message)
            rows.append(
                build_message(
                    topic,
                    value,
                    key=key,
                    headers=headers,
                    partition=partition,
                    timestamp=timestamp,
                    event_type=str(topic),
                )
            )
        except InvalidMessageError as error:
            refused[index] = error
    if refused:
        shown = "; ".join(f"[{index}] {error}" for index, error in list(refused.items())[:SHOWN_REFUSALS])
        count = len(rows) + len(refused)
        raise InvalidBatchError(
            f"topic {topic}: nothing was published, because {len(refused)} of {count} messages are refused: {shown}",
            refused,
        )
    return rows


def _database_for(using: str | None) -> str:
    alias = using or router.db_for_write(OutboxMessage)
    if using is None:
        _warn_of_another_transaction(alias)
    return alias


def _event_id(message: OutboxMessage) -> str:
    return next(str(value) for name, value in message.headers if name == "ce_id")


def _warn_of_another_transaction(alias: str) -> None:
    if connections[alias].in_atomic_block or commits_by_hand(alias):
        return
    others = [c.alias for c in connections.all(initialized_only=True) if c.in_atomic_block and c.alias != alias]
    if others:
        logger.warning(
            "publish() writes to database %s, where no transaction is open, while one is open on %s: the message "
            'leaves even if that one rolls back. Use publish(…, using="%s").',
            alias, others[0], others[0],
        )  # fmt: skip

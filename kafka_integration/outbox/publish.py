"""Publish with the transaction: a row in the outbox, which commits or rolls back with everything else.

Nothing here speaks to Kafka: ``runrelay`` does, after the commit.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django.conf import settings as django_settings
from django.db import connections, router, transaction

from ..conf import get_settings
from ..conf.values import Settings
from ..errors import InvalidMessageError
from ..headers import GivenHeaders, Headers, dump_headers, normalize_headers
from ..models import OutboxMessage
from ..producing.arguments import check_partition, check_size, check_topic, read_timestamp
from ..serialization import as_text, serialize_key, serialize_value
from .notify import commits_by_hand, notify_on_commit
from .statements import statements_of
from .unattended import note_published

logger = logging.getLogger("kafka_integration.producing")

SPEC_VERSION = b"1.0"
CONTENT_TYPE = "content-type"


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
    alias = using or router.db_for_write(OutboxMessage)
    if using is None:
        _warn_of_another_transaction(alias)
    message = build_message(
        topic, value, key=key, headers=headers, partition=partition, timestamp=timestamp, event_type=str(topic)
    )
    write([message], alias)
    return _event_id(message)


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
    value_bytes = serialize_value(value, producer.value_serializer)
    key_bytes = serialize_key(key, producer.key_serializer)
    pairs = _with_event_headers(normalize_headers(headers), event_type, settings, value)
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
            OutboxMessage.objects.using(alias).bulk_create(messages)
        announce(alias)


def announce(alias: str) -> None:
    """Rows were written in a database: wake its relay, if that is wanted, and see now and then that there is one."""
    if get_settings().outbox.notify:
        notify_on_commit(alias)
    note_published(alias)


def _with_event_headers(given: Headers, event_type: str, settings: Settings, value: Any) -> Headers:
    """CloudEvents 1.0 in the binary mode of its Kafka binding, before the headers that were given."""
    ours = {
        "ce_specversion": SPEC_VERSION,
        "ce_id": str(uuid4()).encode(),
        "ce_type": event_type.encode(),
        "ce_source": (settings.outbox.source or _default_source()).encode(),
        "ce_time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode(),
    }
    if content_type := _content_type(as_text(value), settings.producer.value_serializer):
        ours[CONTENT_TYPE] = content_type
    for name, value in given:
        # What consumers tell repeats by; with an empty one they would take all events for one.
        if name == "ce_id" and not value:
            raise InvalidMessageError("The header ce_id is empty: leave it out, or give each event an id of its own.")
        ours.pop(CONTENT_TYPE if name.lower() == CONTENT_TYPE else name, None)
    return [*ours.items(), *given]


def _content_type(value: Any, serializer: str | None) -> bytes | None:
    """CloudEvents' ``datacontenttype``: none of a tombstone, and none where a function of the project writes it."""
    if value is None or serializer not in (None, "json", "text", "bytes"):
        return None
    if serializer == "json" or not isinstance(value, str | bytes | bytearray | memoryview):
        return b"application/json"
    return b"text/plain; charset=utf-8" if isinstance(value, str) else b"application/octet-stream"


def _default_source() -> str:
    """The project: the package of its root urlconf."""
    return f"/{getattr(django_settings, 'ROOT_URLCONF', '').partition('.')[0] or 'django'}"


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

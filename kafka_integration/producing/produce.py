"""Produce now: ``produce`` and look later, ``produce_sync`` and wait."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from typing import Any

from ..errors import InvalidMessageError, ProduceTimeoutError
from ..headers import GivenHeaders
from .delivery import Delivery, RecordMetadata
from .sender import KAFFE_HINT, default_sender

__all__ = ["Delivery", "RecordMetadata", "produce", "produce_sync"]

# How long produce() may wait: for room in the queue, or to learn which partitions there are.
QUEUE_SECONDS = 10.0
UNKNOWN_TOPIC = frozenset({"UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC"})


def produce(
    topic: str,
    value: Any,
    *,
    key: Any = None,
    headers: GivenHeaders | None = None,
    partition: int | None = None,
    timestamp: datetime | int | None = None,
) -> Delivery:
    """Sends a message in the background; ``.result(timeout)`` of what it returns waits for Kafka's confirmation.

    str and bytes go as they are, None is a tombstone, anything else is JSON. A failed delivery that nobody waits
    for is logged. ``timestamp`` is an aware datetime or milliseconds since 1970. Any thread may call it, and a forked
    child too. Raises InvalidMessageError for what Kafka could not take, and another ProduceError for what can't be
    queued: the queue stays full for ten seconds, or the embedded broker isn't running.
    """
    return default_sender().send(topic, value, key, headers, partition, timestamp, QUEUE_SECONDS)


def produce_sync(
    topic: str,
    value: Any,
    *,
    key: Any = None,
    headers: GivenHeaders | None = None,
    partition: int | None = None,
    timestamp: datetime | int | None = None,
    timeout: float = 10,
) -> RecordMetadata:
    """Sends a message and returns where it went, once Kafka has confirmed it.

    The arguments are those of ``produce``. Raises ProduceError if it was not delivered. After ``timeout`` seconds that
    is a ProduceTimeoutError, whose ``may_still_arrive`` is True: the outcome is unknown, and producing it again may
    make a duplicate.
    """
    deadline = deadline_of(topic, timeout)
    delivery = default_sender().send(topic, value, key, headers, partition, timestamp, timeout)
    return result_of(delivery, key, timeout, deadline)


def deadline_of(topic: str, timeout: float) -> float:
    """When ``timeout`` seconds are over; refuses what is no number of seconds."""
    if not isinstance(timeout, int | float) or not 0 <= timeout <= threading.TIMEOUT_MAX:
        raise InvalidMessageError(f"topic {topic!r:.80}: timeout is {timeout!r:.80}. Give seconds, 0 or more.")
    return time.monotonic() + timeout


def result_of(delivery: Delivery, key: Any, timeout: float, deadline: float) -> RecordMetadata:
    """Where the message went; an error that looks like Kaffe's order of arguments says so."""
    try:
        return delivery.result_of_call(timeout, deadline)
    except ProduceTimeoutError as error:
        if key is None and getattr(error.__cause__, "code", None) in UNKNOWN_TOPIC:
            raise ProduceTimeoutError(f"{error}{KAFFE_HINT}") from error.__cause__
        raise

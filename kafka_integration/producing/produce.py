"""Produce now: ``produce`` and look later, ``produce_sync`` and wait, ``produce_batch`` and wait once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ..errors import BatchProduceError, InvalidMessageError, ProduceError, ProduceTimeoutError
from ..headers import GivenHeaders
from .delivery import Delivery, RecordMetadata
from .sender import KAFFE_HINT, Sender, default_sender

__all__ = ["Delivery", "RecordMetadata", "produce", "produce_batch", "produce_sync"]

# How long produce() may wait: for room in the queue, or to learn which partitions there are.
QUEUE_SECONDS = 10.0
MESSAGE_KEYS = frozenset({"key", "value", "headers", "partition", "timestamp"})
SHOWN_FAILURES = 3
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


def produce_batch(
    topic: str, messages: Iterable[tuple[Any, Any] | Mapping[str, Any]], *, timeout: float = 30
) -> list[RecordMetadata]:
    """Sends many messages, waits once, and returns where each went.

    A message is a ``(key, value)`` pair or a dict with ``value`` and perhaps ``key``, ``headers``, ``partition``,
    ``timestamp``. A batch is not atomic: BatchProduceError's ``failed`` says by index which were not delivered,
    or not confirmed within ``timeout`` seconds; all others were.
    """
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Iterable):
        raise InvalidMessageError(
            f"topic {topic!r:.80}: messages is of type {type(messages).__name__}. Give a list of (key, value) or dicts."
        )
    sender = default_sender()
    sender.check_topic(topic, key=messages)
    deadline = deadline_of(topic, timeout)
    outcomes = [_send(sender, topic, message, deadline) for message in messages]
    results = _wait_for_all(outcomes, timeout, deadline)
    failed = {index: result for index, result in enumerate(results) if isinstance(result, ProduceError)}
    if failed:
        raise BatchProduceError(_batch_text(topic, failed, len(results)), failed)
    return [result for result in results if isinstance(result, RecordMetadata)]


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


def _send(sender: Sender, topic: str, message: Any, deadline: float) -> Delivery | ProduceError:
    try:
        fields = _fields(topic, message)
        return sender.send(
            topic,
            fields["value"],
            fields.get("key"),
            fields.get("headers"),
            fields.get("partition"),
            fields.get("timestamp"),
            max(0.0, deadline - time.monotonic()),
        )
    except ProduceError as error:
        return error


def _fields(topic: str, message: Any) -> Mapping[str, Any]:
    if isinstance(message, (tuple, list)) and len(message) == 2:
        return {"key": message[0], "value": message[1]}
    if not isinstance(message, Mapping):
        raise InvalidMessageError(
            f"topic {topic}: a message of a batch is a (key, value) pair or a dict, not {type(message).__name__}."
        )
    if "value" not in message:
        raise InvalidMessageError(f'topic {topic}: a message of a batch has no "value"; None is a tombstone.')
    if unknown := set(message) - MESSAGE_KEYS:
        raise InvalidMessageError(
            f"topic {topic}: a message of a batch has {len(unknown)} unknown key(s); known are "
            f"{', '.join(sorted(MESSAGE_KEYS))}."
        )
    return message


def _wait_for_all(
    outcomes: list[Delivery | ProduceError], timeout: float, deadline: float
) -> list[RecordMetadata | ProduceError]:
    results: list[RecordMetadata | ProduceError] = []
    late: ProduceError | None = None
    for outcome in outcomes:
        if isinstance(outcome, ProduceError):
            results.append(outcome)
        elif late is not None and not outcome.done():
            # The reason was looked for once; it is the same for all that are late.
            results.append(late)
        else:
            try:
                results.append(outcome.result_of_call(timeout, deadline))
            except ProduceError as error:
                results.append(error)
                late = error if error.may_still_arrive else late
    return results


def _batch_text(topic: str, failed: Mapping[int, ProduceError], count: int) -> str:
    shown = "; ".join(f"[{index}] {error}" for index, error in list(failed.items())[:SHOWN_FAILURES])
    return f"topic {topic}: {len(failed)} of {count} messages were not delivered: {shown}"

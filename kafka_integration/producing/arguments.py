"""What a call of ``produce`` or ``publish`` may ask for: refused here is what no broker could take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ..conf.producers import ProducerSettings
from ..errors import InvalidMessageError
from ..headers import GivenHeaders, Headers
from ..sizes import record_bytes
from ..topic_names import topic_name_problem

MESSAGE_KEYS = frozenset({"key", "value", "headers", "partition", "timestamp"})
LARGEST_PARTITION = 2**31 - 1
LATEST_TIMESTAMP_MS = 2**63 - 1
DEFAULT_MAX_BYTES = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

BatchMessage = tuple[Any, Any] | Mapping[str, Any]
"""A ``(key, value)`` pair, or a dict with ``value`` and perhaps ``key``, ``headers``, ``partition``, ``timestamp``."""
Arguments = tuple[Any, Any, GivenHeaders | None, int | None, datetime | int | None]
"""Value, key, headers, partition and timestamp, as ``produce`` takes them."""


def check_batch(topic: object, messages: object) -> None:
    """Refuse what is no batch of messages at all."""
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Iterable):
        raise InvalidMessageError(
            f"topic {topic!r:.80}: messages is of type {type(messages).__name__}. Give a list of (key, value) or dicts."
        )


def arguments_of(topic: str, message: Any) -> Arguments:
    """What one message of a batch asks for; refuses what is no message."""
    if isinstance(message, (tuple, list)) and len(message) == 2:
        return message[1], message[0], None, None, None
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
    return (
        message["value"],
        message.get("key"),
        message.get("headers"),
        message.get("partition"),
        message.get("timestamp"),
    )


def check_topic(topic: object, settings: ProducerSettings, *, hint: str = "") -> None:
    """Refuse a topic that Kafka or the settings don't allow."""
    if problem := topic_name_problem(topic):
        raise InvalidMessageError(f"topic {topic!r:.80}: {problem}.{hint}")
    topics = settings.topics
    if topics and topic not in topics and not settings.allow_any_topic:
        raise InvalidMessageError(
            f'topic {topic} is not in KAFKA["producer"]["topics"] ({", ".join(topics)}): '
            f'add it there, or set "allow_any_topic": True.{hint}'
        )


def check_partition(topic: str, partition: Any) -> None:
    """Refuse what is no number of a partition, whether or not the topic has it."""
    if type(partition) is not int:
        raise InvalidMessageError(f"topic {topic}: partition is of type {type(partition).__name__}, not int.")
    if not 0 <= partition <= LARGEST_PARTITION:
        raise InvalidMessageError(f"topic {topic}: there is no partition {partition}; they count from 0.")


def check_size(
    topic: str, key: bytes | None, value: bytes | None, headers: Headers, settings: ProducerSettings
) -> None:
    """Refuse a message that the client would refuse for its size."""
    size = record_bytes(key, value, headers)
    if size > max_message_bytes(settings):
        raise too_large(topic, size, settings)


def too_large(topic: str, size: int, settings: ProducerSettings) -> InvalidMessageError:
    """The refusal of a message over ``message.max.bytes``."""
    return InvalidMessageError(
        f"topic {topic}: the message has {size} bytes with its key, headers and overhead, over message.max.bytes "
        f"({max_message_bytes(settings)}). "
        'Send less, or raise message.max.bytes in KAFKA["producer"]["config"] and max.message.bytes of the topic.'
    )


def max_message_bytes(settings: ProducerSettings) -> int:
    """The most that the client takes for one message."""
    return int(settings.connection.config.get("message.max.bytes", DEFAULT_MAX_BYTES))


def read_timestamp(topic: str, timestamp: datetime | int) -> int:
    """The time in milliseconds since 1970; refuses what Kafka's client would take for now."""
    if isinstance(timestamp, datetime):
        if timestamp.tzinfo is None:
            raise InvalidMessageError(
                f"topic {topic}: the timestamp is a naive datetime. Use an aware one, like django.utils.timezone.now()."
            )
        milliseconds = (timestamp - _EPOCH) // timedelta(milliseconds=1)
    elif type(timestamp) is int:
        milliseconds = timestamp
    else:
        raise InvalidMessageError(
            f"topic {topic}: the timestamp is of type {type(timestamp).__name__}. "
            "Give an aware datetime, or an int: milliseconds since 1970."
        )
    # librdkafka takes 0 for "now".
    if not 0 < milliseconds <= LATEST_TIMESTAMP_MS:
        raise InvalidMessageError(
            f"topic {topic}: the timestamp {milliseconds} is not after 1970, or too large. "
            "Leave it out for now, or give milliseconds since 1970."
        )
    return milliseconds

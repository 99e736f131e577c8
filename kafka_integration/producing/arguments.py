"""What a call of ``produce`` or ``publish`` may ask for: refused here is what no broker could take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ..conf.values import ProducerSettings
from ..errors import InvalidMessageError
from ..headers import Headers
from ..sizes import record_bytes
from ..topic_names import topic_name_problem

LARGEST_PARTITION = 2**31 - 1
LATEST_TIMESTAMP_MS = 2**63 - 1
DEFAULT_MAX_BYTES = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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

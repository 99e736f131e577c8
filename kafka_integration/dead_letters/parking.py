"""Parking: a message that failed for good is kept whole, so that it can be seen and replayed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.db.models.functions import Now

from ..conf.consumers import ConsumerSettings
from ..errors import TooManyDeadLettersError
from ..headers import dump_headers
from ..message import Message
from ..models import DeadLetter
from .copies import DeadLetterTopic
from .redaction import describe, storable

RATE_PERIOD = timedelta(minutes=1)
MAX_EVENT_ID = 200

_PLACE = ("group", "topic", "topic_id", "partition", "offset")
_OVERWRITTEN = (
    *("consumer", "key", "value", "headers", "timestamp_ms", "timestamp_type", "event_id", "attempts"),
    *(
        "exception",
        "reason",
        "traceback",
        "location",
        "kind",
        "state",
        "failed_at",
        "settled_at",
        "leased_until",
        "lease_holder",
    ),
)


class DeadLetters:
    """Keeps the dead letters of one consumer; any lane may call it. ``topic_id`` tells a topic from a later one of
    the same name, where that is known."""

    def __init__(self, settings: ConsumerSettings) -> None:
        self._settings = settings
        topic = settings.dead_letter_topic
        self._topic = None if topic is None else DeadLetterTopic(settings, topic)

    def check_rate(self, message: Message, error: Exception) -> None:
        """Raises ``TooManyDeadLettersError`` where one more within a minute is not allowed."""
        limit, group = self._settings.max_dead_letters_per_minute, self._settings.consumer_group
        if limit is None:
            return
        recent = DeadLetter.objects.using(self._settings.database).filter(
            group=group, failed_at__gt=Now() - RATE_PERIOD
        )
        if recent.count() >= limit:
            raise TooManyDeadLettersError(
                f"consumer {self._settings.name} stops at {message!r}, which stays uncommitted: dead letters of group "
                f"{group} within a minute: {limit}, all that max_dead_letters_per_minute allows. Look at them "
                "(manage.py kafkadeadletters list), mend the cause, and start it again."
            ) from error

    def announce(self, message: Message, error: Exception, topic_id: str, is_over: Callable[[], bool]) -> None:
        """What comes before ``park``, outside of any transaction of ours: the dead-letter topic.

        Once ``is_over`` nobody waits for the copy there any more, and this raises ``ProduceTimeoutError``.
        """
        if self._topic is not None:
            self._topic.produce(message, error, topic_id, is_over)

    def park(self, message: Message, error: Exception, topic_id: str) -> None:
        """Keep the message; the row is part of the caller's transaction, if there is one.

        One that comes again, because its offset was not committed, is the same dead letter, parked anew.
        """
        letter = DeadLetter(
            consumer=self._settings.name,
            group=self._settings.consumer_group,
            topic=message.topic,
            topic_id=topic_id,
            partition=message.partition,
            offset=message.offset,
            key=message.key_bytes,
            value=message.value_bytes,
            headers=dump_headers([(storable(name), value) for name, value in message.headers]),
            timestamp_ms=message.ts,
            timestamp_type=message.ts_type,
            event_id=_event_id(message),
            attempts=message.attempt,
            failed_at=Now(),
            **describe(error).columns(self._settings.name),
        )
        letters = DeadLetter.objects.using(self._settings.database)
        letters.bulk_create([letter], update_conflicts=True, unique_fields=_PLACE, update_fields=_OVERWRITTEN)


def _event_id(message: Message) -> str:
    return storable((message.header("ce_id") or b"").decode(errors="backslashreplace"))[:MAX_EVENT_ID]

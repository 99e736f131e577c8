"""Parking: a message that failed for good is kept whole, so that it can be seen and replayed."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from ..client.topic_ids import TopicIds
from ..conf.values import ConsumerSettings
from ..headers import dump_headers
from ..message import Message
from ..models import DeadLetter
from .dead_letter_topic import DeadLetterTopic
from .partition import Partition
from .redaction import describe, storable
from .settling import ConsumerStoppedError

RATE_PERIOD = timedelta(minutes=1)

_PLACE = ("group", "topic", "topic_id", "partition", "offset")
_OVERWRITTEN = (
    *("consumer", "key", "value", "headers", "timestamp_ms", "timestamp_type", "attempts"),
    *("exception", "reason", "traceback", "state", "failed_at", "settled_at", "leased_until", "lease_holder"),
)


class TooManyDeadLettersError(ConsumerStoppedError):
    """So many messages of a group failed within a minute that something else is wrong."""


class DeadLetters:
    """Keeps the dead letters of one consumer; any lane may call it.

    ``topic_ids`` tells a topic from a later one of the same name, where claiming doesn't already.
    """

    def __init__(self, settings: ConsumerSettings, topic_ids: TopicIds | None = None) -> None:
        self._settings = settings
        self._topic_ids = topic_ids
        topic = settings.dead_letter_topic
        self._topic = None if topic is None else DeadLetterTopic(settings, topic)

    def announce(self, partition: Partition, message: Message, error: Exception) -> None:
        """What comes before ``park``, outside of any transaction of ours: the limit, and the dead-letter topic."""
        if self._settings.max_dead_letters_per_minute is not None:
            self._check_rate(self._settings.max_dead_letters_per_minute, message)
        if self._topic_ids is not None and not partition.is_identified:
            partition.identify(self._topic_ids.ask_where_allowed(message.topic, lambda: partition.stopping))
        if self._topic is not None:
            self._topic.produce(partition, message, error)

    def park(self, partition: Partition, message: Message, error: Exception) -> None:
        """Keep the message; the row is part of the caller's transaction, if there is one.

        One that comes again, because its offset was not committed, is the same dead letter, parked anew.
        """
        description = describe(error)
        letter = DeadLetter(
            consumer=self._settings.name,
            group=self._settings.consumer_group,
            topic=message.topic,
            topic_id=partition.topic_id,
            partition=message.partition,
            offset=message.offset,
            key=message.key_bytes,
            value=message.value_bytes,
            headers=dump_headers([(storable(name), value) for name, value in message.headers]),
            timestamp_ms=message.ts,
            timestamp_type=message.ts_type,
            attempts=message.attempt,
            exception=description.exception,
            reason=description.reason,
            traceback=description.traceback,
            failed_at=Now(),
        )
        letters = DeadLetter.objects.using(self._settings.database)
        letters.bulk_create([letter], update_conflicts=True, unique_fields=_PLACE, update_fields=_OVERWRITTEN)

    def _check_rate(self, limit: int, message: Message) -> None:
        group = self._settings.consumer_group
        recent = DeadLetter.objects.using(self._settings.database).filter(
            group=group, failed_at__gt=Now() - RATE_PERIOD
        )
        if recent.count() >= limit:
            raise TooManyDeadLettersError(
                f"consumer {self._settings.name} stops at {message!r}, which stays uncommitted: group {group} has had "
                f"{limit} dead letters within a minute, all that max_dead_letters_per_minute allows. Look at them "
                "(manage.py kafkadeadletters list), mend the cause, and start it again."
            )

"""Parking: a message that failed for good is kept whole, so that it can be seen and replayed."""

from __future__ import annotations

import traceback

from django.utils import timezone

from ..conf.values import ConsumerSettings
from ..headers import dump_headers
from ..message import Message
from ..models import DeadLetter
from .partition import Partition


class DeadLetters:
    """Writes dead letters of one consumer; any lane may call it."""

    def __init__(self, settings: ConsumerSettings) -> None:
        self._settings = settings

    def park(self, partition: Partition, message: Message, error: Exception) -> None:
        """Keep the message; the row is part of the caller's transaction, if there is one."""
        DeadLetter.objects.using(self._settings.database).update_or_create(
            group=self._settings.consumer_group,
            topic=message.topic,
            topic_id=partition.topic_id,
            partition=message.partition,
            offset=message.offset,
            defaults={
                "consumer": self._settings.name,
                "key": message.key_bytes,
                "value": message.value_bytes,
                "headers": dump_headers(message.headers),
                "timestamp_ms": message.ts,
                "timestamp_type": message.ts_type,
                "attempts": message.attempt,
                "exception": f"{type(error).__module__}.{type(error).__qualname__}"[:255],
                "traceback": "".join(traceback.format_tb(error.__traceback__)),
                "failed_at": timezone.now(),
            },
        )

"""Recognising a message that already took effect, by a row written in the handler's own transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from django.db import connections
from django.utils import timezone

from ..message import Message
from ..models import HandledMessage
from .counts import Counts


class Deduplicator:
    """Knows the messages of one group that took effect, in one database."""

    def __init__(self, *, database: str, group: str, counts: Counts) -> None:
        self._database = database
        self._group = group
        self._counts = counts

    def each(self, call: Callable[[Message], Any]) -> Callable[[Message], Any]:
        """The handler, called for first appearances only."""

        def call_once(message: Message) -> Any:
            return call(message) if self.is_first(message) else None

        return call_once

    def batch(self, call: Callable[[list[Message]], Any]) -> Callable[[list[Message]], Any]:
        """The batch handler, given first appearances only."""

        def call_once(messages: list[Message]) -> Any:
            new = [message for message in messages if self.is_first(message)]
            return call(new) if new else None

        return call_once

    def always(self, call: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The handler, called for repeats too, because somebody asked for it; what it is given is remembered."""

        def call_always(argument: Any) -> Any:
            for message in argument if isinstance(argument, list) else [argument]:
                self._remember(message)
            return call(argument)

        return call_always

    def is_first(self, message: Message) -> bool:
        """True the first time; must be asked in the transaction of the effect, or a rollback would be remembered."""
        is_first = self._remember(message)
        if not is_first:
            self._counts.add(repeated=1)
        return is_first

    def _remember(self, message: Message) -> bool:
        connection = connections[self._database]
        table = connection.ops.quote_name(HandledMessage._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(
                f'INSERT INTO {table} ("group", topic_id, identity, handled_at) VALUES (%s, %s, %s, %s) '
                "ON CONFLICT DO NOTHING",
                [self._group, message.topic, identity(message), timezone.now()],
            )
            return bool(cursor.rowcount == 1)


def identity(message: Message) -> str:
    """What two appearances of one event share: the CloudEvents source and id, else the place in the topic."""
    source, event_id = message.header("ce_source"), message.header("ce_id")
    if source and event_id:
        # Hashed: the headers are whatever someone sent, of any length and any bytes.
        return "ce:" + hashlib.sha256(source + b"\0" + event_id).hexdigest()
    return f"{message.partition}:{message.offset}"

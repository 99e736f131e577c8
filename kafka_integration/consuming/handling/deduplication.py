"""Recognising a message that already took effect, by a row written in the handler's own transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections

from ...client.metadata.topic_ids import TopicIds
from ...cloudevents import identity_of
from ...message import Message
from ...messages import Messages
from ...observing.facts import LeftOut
from ...observing.observers import Observers
from ..ordering.stream import Stream


class Deduplicator:
    """Knows the messages of one group that took effect, in one database; any lane may call it.

    ``topic_ids`` tells a topic from a later one of the same name, where claiming doesn't already.
    """

    def __init__(self, *, database: str, group: str, observers: Observers, topic_ids: TopicIds | None = None) -> None:
        self._database = database
        self._group = group
        self._remember = _REMEMBER[connections[database].vendor]
        self._observers = observers
        self._topic_ids = topic_ids
        self._topic_id_of: dict[tuple[str, int], str] = {}
        self._repeats = _Repeats()

    def identify(self, stream: Stream) -> None:
        """Find out which topic the next messages of ``stream`` are of; ``BrokerError`` where that can't be asked.

        Messages of a topic that was deleted and made anew have the places of others that took effect.
        """
        self._repeats.begin()
        if self._topic_ids is not None:
            stream.identify_by(self._topic_ids)
        self._topic_id_of[stream.key] = stream.claim.topic_id

    def each(self, call: Callable[[Message], Any]) -> Callable[[Message], Any]:
        """The handler, called for first appearances only."""

        def call_once(message: Message) -> Any:
            return call(message) if self._is_first(message) else None

        return call_once

    def batch(self, call: Callable[[Messages], Any]) -> Callable[[Messages], Any]:
        """The batch handler, given first appearances only."""

        def call_once(messages: Messages) -> Any:
            new = Messages(message for message in messages if self._is_first(message))
            return call(new) if new else None

        return call_once

    def remember(self, message: Message, topic_id: str) -> bool:
        """True the first time; must be asked in the transaction of the effect, or a rollback would be remembered."""
        with connections[self._database].cursor() as cursor:
            # Where there are no ids, the name has to do.
            cursor.execute(self._remember, [self._group, topic_id or message.topic, identity_of(message)])
            return bool(cursor.rowcount == 1)

    def tell_repeats(self) -> int:
        """Tell of those that this thread has left out since it identified them, once that is committed; how many."""
        for message in self._repeats.met:
            self._observers.tell(LeftOut(message))
        return len(self._repeats.met)

    def _is_first(self, message: Message) -> bool:
        is_first = self.remember(message, self._topic_id_of.get((message.topic, message.partition), ""))
        if not is_first:
            self._repeats.met.append(message)
        return is_first


class _Repeats(threading.local):
    """Those that a thread has met in its transaction."""

    def __init__(self) -> None:
        self.met: list[Message] = []

    def begin(self) -> None:
        self.met = []


# By the database's clock, as retention goes by that.
_REMEMBER = {
    "postgresql": """
        INSERT INTO kafka_integration_handledmessage ("group", topic_id, identity, handled_at)
        VALUES (%s, %s, %s, clock_timestamp()) ON CONFLICT DO NOTHING
    """,
    "sqlite": """
        INSERT INTO kafka_integration_handledmessage ("group", topic_id, identity, handled_at)
        VALUES (%s, %s, %s, strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')) ON CONFLICT DO NOTHING
    """,
}

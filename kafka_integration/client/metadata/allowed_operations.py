"""What the brokers allow this user to do."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from confluent_kafka import TopicCollection

from ...conf.connection import Connection
from ...errors import AccessDeniedError, BrokerError
from ..transports.choosing import transport_of
from .admin import Admin, Asker, answer_of

Operations = frozenset[str]
"""Kafka's names: "READ", "WRITE", "DESCRIBE"…"""


class AllowedOperations(Asker):
    """Asks one cluster; what can't be told is left out."""

    def __init__(self, connection: Connection) -> None:
        self._transport = transport_of(connection)
        self._admin = Admin(connection, asks_for="operations that are allowed")

    def on_topics(self, topics: Collection[str]) -> dict[str, Operations]:
        """The operations on each topic; ``BrokerError`` if the cluster can't be asked."""
        if not topics or not self._transport.knows_users:
            return {}
        with self._admin.question() as (client, timeout):
            asked = TopicCollection(list(topics))
            answers = client.describe_topics(asked, include_authorized_operations=True, request_timeout=timeout)
            return _told({topic: (answer, f"topic {topic}") for topic, answer in answers.items()}, timeout)

    def on_groups(self, groups: Collection[str]) -> dict[str, Operations]:
        """The operations on each group; ``BrokerError`` if the cluster can't be asked."""
        if not groups or not self._transport.knows_users:
            return {}
        with self._admin.question() as (client, timeout):
            answers = client.describe_consumer_groups(
                list(groups), include_authorized_operations=True, request_timeout=timeout
            )
            return _told({group: (answer, f"consumer group {group}") for group, answer in answers.items()}, timeout)


def _told(answers: dict[str, tuple[Any, str]], timeout: float) -> dict[str, Operations]:
    told: dict[str, Operations] = {}
    for name, (answer, place) in answers.items():
        try:
            description = answer_of(answer, place=place, timeout=timeout)
        except AccessDeniedError:
            told[name] = frozenset()
        except BrokerError:
            # It isn't there (yet), or its broker is away: that says nothing about what is allowed.
            continue
        else:
            if description.authorized_operations is not None:
                told[name] = frozenset(operation.name for operation in description.authorized_operations)
    return told

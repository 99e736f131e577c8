"""Making topics, and changing them: what an operator asked for, one change at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public there, but not re-exported by its types
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from ...conf.connection import Connection
from ..errors.translate import translated
from ..transports.choosing import transport_of
from .admin import Admin, Asker, answer_of

CLUSTERS_DEFAULT = -1
CHANGE_SECONDS = 30.0
_SECONDS = {"operation_timeout": CHANGE_SECONDS, "request_timeout": CHANGE_SECONDS}


class TopicChanges(Asker):
    """Changes topics of one cluster. Each method raises ``BrokerError`` where it was refused, or nobody answered."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._transport = transport_of(connection)
        self._admin = Admin(connection, asks_for="changes of topics")

    def create(
        self, topic: str, *, partitions: int | None, replication_factor: int | None, config: Mapping[str, str]
    ) -> None:
        """Makes a topic; None is what the cluster gives by itself."""
        if not self._transport.takes_admin_requests:
            self._transport.make_topics(self._transport.servers(self._connection), [topic])
            return
        new = NewTopic(
            topic,
            CLUSTERS_DEFAULT if partitions is None else partitions,
            CLUSTERS_DEFAULT if replication_factor is None else replication_factor,
            config=dict(config),
        )
        self._ask(topic, lambda client: client.create_topics([new], **_SECONDS)[topic])

    def add_partitions(self, topic: str, total: int) -> None:
        """Adds as many partitions as are missing to ``total``."""
        new = NewPartitions(topic, total)
        self._ask(topic, lambda client: client.create_partitions([new], **_SECONDS)[topic])

    def set_config(self, topic: str, values: Mapping[str, str | None]) -> None:
        """Changes these settings and no other; None gives one back to the cluster's default."""
        entries = [
            ConfigEntry(
                name,
                value,
                incremental_operation=AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET,
            )
            for name, value in values.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        self._ask(
            topic,
            lambda client: client.incremental_alter_configs([resource], request_timeout=CHANGE_SECONDS)[resource],
        )

    def _ask(self, topic: str, change: Callable[[Any], Future[Any]]) -> None:
        place = f"topic {topic}"
        client = self._admin.client()
        with translated(place):
            answer = change(client)
        answer_of(answer, place=place, timeout=CHANGE_SECONDS)

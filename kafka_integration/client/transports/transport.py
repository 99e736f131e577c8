"""A Kafka cluster, and what stands in for one: whatever of them differs for their clients is said by its transport.

``choosing.py`` has the one that a connection names. What a consumer can begin without is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Literal

import confluent_kafka

from ...conf.connection import Connection
from ...conf.endpoints import EXAMPLE
from ...errors import BrokerUnavailableError, ConfigurationError


class Transport:
    """A cluster, by librdkafka's clients."""

    may_be_old = True
    """Whether it may be of a version that lacks what we ask for."""
    group_protocol: Literal["classic", "consumer"] = "classic"
    """What its groups speak where nobody has to be asked."""
    finds_offsets_by_time = True
    takes_offsets_from_members_only = False
    """Whether who would move a group's offsets has to join it."""
    delivers_at_once = False
    """Whether a message is there when ``produce`` returns."""
    takes_admin_requests = True
    """Whether topics can be made and changed as one likes, and asked for their settings."""
    knows_users = True
    """Whether it may allow one user what it refuses another."""
    topic_partitions: int | None = None
    """How many partitions each topic has, where that can't be chosen."""

    def servers(self, connection: Connection) -> str:
        """Where its clients find it now; ``BrokerUnavailableError`` if it isn't running."""
        if not connection.servers:
            raise ConfigurationError([f'KAFKA["endpoints"] is missing: say where Kafka is, like {EXAMPLE}.'])
        return ",".join(connection.servers)

    def has_moved(self, connection: Connection, servers: str) -> bool:
        """True if it runs elsewhere than where a client was told, which therefore never finds it again."""
        with suppress(BrokerUnavailableError):
            return self.servers(connection) != servers
        return False

    # Of the client's classes, each is looked up when it is needed: a tracer may have put its own there meanwhile.

    def consumer(self, properties: dict[str, Any]) -> Any:
        return confluent_kafka.Consumer(properties)

    def producer(self, properties: dict[str, Any]) -> Any:
        return confluent_kafka.Producer(properties)

    def admin(self, properties: dict[str, Any]) -> Any:
        from confluent_kafka.admin import AdminClient

        return AdminClient(properties)

    def make_topics(self, servers: str, topics: Iterable[str]) -> None:
        """Make those of ``topics`` exist that it would not show to a group later."""

    def topic_id(self) -> str | None:
        """The id that all topics have; None where each has its own."""
        return None

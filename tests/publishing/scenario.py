"""One scenario of the outbox: its topic, its database, who publishes and relays, and what has to be true."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from confluent_kafka import Consumer, TopicPartition

from tests.processes import ChildProcess
from tests.waiting import wait_for

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.publishing.settings"}
OUTBOX = "kafka_integration_outboxmessage"


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """A message as it is in the topic."""

    partition: int
    offset: int
    key: str | None
    value: bytes | None
    event_id: str

    @property
    def seq(self) -> int:
        return int(json.loads(self.value or b"{}")["seq"])


class PublishingScenario:
    """Starts publishers and relays on one topic of one cluster, and one database."""

    def __init__(
        self, *, bootstrap: str, topic: str, database_url: str, start_manage: Callable[..., ChildProcess]
    ) -> None:
        self.bootstrap = bootstrap
        self.topic = topic
        self.database_url = database_url
        self.kafka: dict[str, Any] = {"endpoints": bootstrap.split(","), "outbox": {"lease_seconds": 2}}
        self.env: dict[str, str] = {}
        self._start_manage = start_manage

    # --- Processes

    def relay(self, *arguments: str, **outbox: Any) -> ChildProcess:
        """A `runrelay`; ready or not. ``outbox`` changes ``KAFKA["outbox"]``."""
        return self._start("runrelay", *arguments, kafka={**self.kafka, "outbox": {**self.kafka["outbox"], **outbox}})

    def active_relay(self, **outbox: Any) -> ChildProcess:
        """One that has the lease."""
        relay = self.relay(**outbox)
        relay.wait_for_output("Relaying the outbox", 30)
        return relay

    def standby(self, **outbox: Any) -> ChildProcess:
        relay = self.relay(**outbox)
        relay.wait_for_output("standing by", 30)
        return relay

    def relay_killed_before_removal(self, sent: int = 100) -> list[Arrived]:
        """A relay sends at least so many rows, and is killed before it can remove one; what had arrived by then."""
        with psycopg.connect(self.database_url) as blocker:
            blocker.execute(f"LOCK TABLE {OUTBOX} IN SHARE MODE".encode())
            relay = self.active_relay()
            arrived = self.wait_arrived(sent)
            relay.kill()
            # Its session outlives it, and would still remove the rows once the lock is gone.
            self.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        return arrived

    def writers(self, *arguments: str) -> ChildProcess:
        """Publishers under load; ``publishload`` knows the arguments."""
        return self._start("publishload", self.topic, *arguments, kafka=self.kafka)

    def play(self, scene: str) -> None:
        """A scene of ``publishscene``, to its end."""
        child = self._start("publishscene", scene, self.topic, kafka=self.kafka)
        assert child.wait(30) == 0, child.tail()

    def _start(self, *arguments: str, kafka: Mapping[str, Any]) -> ChildProcess:
        env = {**SETTINGS, "DATABASE_URL": self.database_url, "PUBLISHING_KAFKA": json.dumps(kafka), **self.env}
        return self._start_manage(*arguments, env=env)

    # --- The database

    def execute(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def insert(
        self, value: str, *, key: str | None = None, topic: str | None = None, connection: Any = None, count: int = 1
    ) -> None:
        """Rows as ``publish`` writes them, in a connection of the caller's or one of their own."""
        statement = (
            f"INSERT INTO {OUTBOX} (topic, key, value, headers, refusal) "
            "SELECT %s, %s, %s, json_build_array(json_build_array('ce_id', gen_random_uuid()::text)), '' "
            "FROM generate_series(1, %s)"
        )
        encoded = None if key is None else key.encode()
        parameters = (topic or self.topic, encoded, value.encode(), count)
        if connection is None:
            self.execute(statement, *parameters)
        else:
            connection.execute(statement, parameters)

    def waiting(self) -> int:
        """How many rows the outbox has."""
        ((count,),) = self.execute(f"SELECT count(*) FROM {OUTBOX}")
        return int(count)

    def refused(self) -> list[tuple[bytes | None, str]]:
        """Key and reason of the rows that Kafka refused."""
        rows = self.execute(f"SELECT key, refusal FROM {OUTBOX} WHERE refused_at IS NOT NULL ORDER BY id")
        return [(key, reason) for key, reason in rows]

    def published(self) -> dict[str, tuple[str, int]]:
        """Key and seq of every message that was published by a committed transaction, by event id."""
        rows = self.execute("SELECT event_id, key, seq FROM publishing_published")
        return {event_id: (key, seq) for event_id, key, seq in rows}

    def wait_empty(self, timeout: float = 30.0) -> None:
        """Until nothing waits in the outbox any more."""
        wait_for(lambda: self.waiting() == 0, timeout, lambda: f"an empty outbox (it has {self.waiting()})")

    # --- The topic

    def arrived(self, topic: str | None = None) -> list[Arrived]:
        """Everything in the topic, each partition in its order."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": uuid.uuid4().hex,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        try:
            return _read_all(consumer, topic or self.topic)
        finally:
            consumer.close()

    def wait_arrived(self, count: int, timeout: float = 30.0, topic: str | None = None) -> list[Arrived]:
        """The topic's messages once there are at least so many."""
        found: list[Arrived] = []

        def enough() -> bool:
            found[:] = self.arrived(topic)
            return len(found) >= count

        wait_for(enough, timeout, lambda: f"{count} messages in {topic or self.topic}, there are {len(found)}")
        return found

    # --- What has to be true

    def assert_published_means_arrived(self) -> None:
        """Everything committed arrives, nothing that was rolled back does."""
        published, arrived = self.published(), {message.event_id for message in self.arrived()}
        assert published, "the writers published nothing"
        assert not published.keys() - arrived, f"{len(published.keys() - arrived)} of {len(published)} are lost"
        assert not arrived - published.keys(), f"{len(arrived - published.keys())} were rolled back and left"

    def assert_first_appearances_in_order(self) -> None:
        """Per key, and leaving out repeats, messages are in the order in which they were published."""
        newest: dict[str | None, int] = {}
        seen: set[str] = set()
        for message in self.arrived():
            if message.event_id not in seen:
                seen.add(message.event_id)
                assert message.seq == newest.get(message.key, 0) + 1, (
                    f"{message.key}: {message.seq} after {newest.get(message.key, 0)}"
                )
                newest[message.key] = message.seq

    def repeats(self) -> int:
        """How many messages are in the topic besides the first of each event."""
        counts = Counter(message.event_id for message in self.arrived())
        return sum(counts.values()) - len(counts)


def _read_all(consumer: Consumer, topic: str) -> list[Arrived]:
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    ended: set[int | None] = set()
    found: list[Arrived] = []
    while len(ended) < len(partitions):
        for message in consumer.consume(5000, 0.2):
            if message.error() is not None:
                ended.add(message.partition())
                continue
            key, headers = message.key(), dict(message.headers() or [])
            found.append(
                Arrived(
                    partition=message.partition() or 0,
                    offset=message.offset() or 0,
                    key=key.decode() if isinstance(key, bytes) else None,
                    value=message.value(),
                    event_id=(headers.get("ce_id") or b"").decode(),
                )
            )
    return sorted(found, key=lambda arrived: (arrived.partition, arrived.offset))

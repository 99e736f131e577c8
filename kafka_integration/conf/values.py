"""The settings as the code sees them: frozen, checked, complete; ``conf.parse`` makes them from ``settings.KAFKA``.

A field that is read from a key of its own says how, and what it is without the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .frozen import EMPTY
from .readers import (
    boolean,
    choice,
    database_aliases,
    dotted_path,
    integer,
    mapping,
    named_or_path,
    number,
    optional,
    text,
    text_up_to,
    topic_name,
)
from .schema import setting

DAY_SECONDS = 86_400
DAY_MS = DAY_SECONDS * 1000
KAFFES_RESETS = {"reset_to_earliest": "earliest", "reset_to_latest": "latest", "reset_by_subscriber": "none"}

Transport = Literal["kafka", "embedded", "memory"]
FailureAction = Literal["retry", "dead_letter", "skip", "stop"]


@dataclass(frozen=True, kw_only=True)
class Tls:
    """TLS of a connection; ``ca``, ``cert`` and ``key`` are file paths or PEM text.

    ``verify`` False trusts any certificate; ``verify_hostname`` False only one that was issued to another name.
    ``places`` says where the three were given, for messages.
    """

    ca: str | None = None
    # Its PEM text may hold the key as well.
    cert: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    verify: bool = True
    verify_hostname: bool = True
    places: Mapping[str, str] = field(default=EMPTY, repr=False, compare=False)

    def place(self, name: str) -> str:
        """Where ``name`` was given, as a message names it."""
        return self.places.get(name, f'KAFKA["ssl"]["{name}"]')


@dataclass(frozen=True, kw_only=True)
class Sasl:
    """SASL credentials; ``mechanism`` is Kafka's name ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER").

    ``path`` says where they were given, for messages.
    """

    mechanism: str
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    path: str = field(default='KAFKA["sasl"]', repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Where the brokers are and how to get in; ``config`` holds raw librdkafka properties, the last word."""

    transport: Transport = "kafka"
    servers: tuple[str, ...] = ()
    tls: Tls | None = None
    sasl: Sasl | None = None
    config: Mapping[str, Any] = field(default=EMPTY, repr=False)


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """When a failed message is handled again. ``attempts`` counts executions; None is for ever."""

    attempts: int | None = setting(optional(integer(1)), 5)
    backoff_seconds: float = setting(number(0, DAY_SECONDS), 1.0)
    backoff_factor: float = setting(number(1, 1000), 2.0)
    max_backoff_seconds: float = setting(number(0, DAY_SECONDS), 60.0)


@dataclass(frozen=True, kw_only=True)
class ConsumerSettings:
    """One consumer of ``KAFKA["consumers"]``."""

    name: str
    connection: Connection
    topics: tuple[str, ...]
    consumer_group: str = setting(text_up_to(249))
    message_handler: str = setting(dotted_path)
    app_label: str | None = None
    enabled: bool = setting(boolean, True)
    start_with_earliest_message: bool = setting(boolean, True)
    offset_reset_policy: Literal["earliest", "latest", "none"] = setting(
        choice("earliest", "latest", "none", **KAFFES_RESETS), "earliest"
    )
    offset_commit_interval_seconds: float = setting(number(0.01, DAY_SECONDS), 5.0)
    max_bytes: int | None = setting(optional(integer(1, 1_000_000_000)), None)
    min_bytes: int | None = setting(optional(integer(0, 100_000_000)), None)
    max_wait_time_ms: int | None = setting(optional(integer(0, 300_000)), None, key="max_wait_time")
    prefetch_count: int | None = setting(optional(integer(1, 10_000_000)), None)
    prefetch_bytes: int | None = setting(optional(integer(1)), None)
    subscriber_retries: int = setting(integer(0), 5)
    subscriber_retry_delay_ms: int = setting(integer(0, DAY_MS), 5000)
    allow_topic_auto_creation: bool = setting(boolean, False)
    key_deserializer: str = setting(named_or_path("text", "json", "bytes"), "text")
    value_deserializer: str = setting(named_or_path("text", "json", "bytes"), "text")
    batch_size: int = setting(integer(1, 1_000_000), 500)
    concurrency: int = setting(integer(1, 10_000), 1)
    ordering: Literal["partition", "key", "none"] = setting(choice("partition", "key", "none"), "partition")
    max_ahead: int = setting(integer(1), 10_000)
    offset_storage: Literal["kafka", "database"] = setting(choice("kafka", "database"), "kafka")
    transaction: Literal["message", "batch"] = setting(choice("message", "batch"), "message")
    database: str = setting(text, "default")
    deduplicate: bool = setting(boolean, False)
    retry: RetryPolicy = RetryPolicy()
    on_failure: Literal["dead_letter", "stop", "skip"] = setting(choice("dead_letter", "stop", "skip"), "dead_letter")
    failure_rules: Mapping[str, FailureAction] = EMPTY
    dead_letter_topic: str | None = setting(optional(topic_name), None)
    max_dead_letters_per_minute: int | None = setting(optional(integer(1)), None)
    group_protocol: Literal["classic", "consumer", "auto"] = setting(choice("classic", "consumer", "auto"), "classic")
    rebalance_drain_seconds: float = setting(number(0, DAY_SECONDS), 15.0)
    shutdown_grace_seconds: float = setting(number(0, DAY_SECONDS), 25.0)
    tracing: bool = False


@dataclass(frozen=True, kw_only=True)
class ProducerSettings:
    """``KAFKA["producer"]``, with the topics of every app."""

    connection: Connection
    topics: tuple[str, ...] = ()
    allow_any_topic: bool = setting(boolean, False)
    client_name: str | None = setting(optional(text), None)
    partition_strategy: str = setting(named_or_path("murmur2_random", "md5", "random"), "murmur2_random")
    required_acks: int = setting(choice(-1, 0, 1, all=-1), -1)
    max_retries: int | None = setting(optional(integer(0)), None)
    compression: str = setting(choice("none", "gzip", "snappy", "lz4", "zstd", no_compression="none"), "none")
    linger_ms: float = setting(number(0, 900_000), 5)
    max_batch_size: int | None = setting(optional(integer(1)), None)
    retry_backoff_ms: int | None = setting(optional(integer(1, 300_000)), None)
    ack_timeout_ms: int | None = setting(optional(integer(1, 900_000)), None, key="ack_timeout")
    allow_topic_auto_creation: bool = setting(boolean, False)
    key_serializer: str | None = setting(optional(named_or_path("text", "json", "bytes")), None)
    value_serializer: str | None = setting(optional(named_or_path("text", "json", "bytes")), None)
    shutdown_grace_seconds: float = setting(number(0, DAY_SECONDS), 5.0)
    tracing: bool = False


@dataclass(frozen=True, kw_only=True)
class OutboxSettings:
    """``KAFKA["outbox"]``: how the relay reads published rows.

    ``direct_aliases`` names, for a database behind a pooler, the alias that leads to it directly: for LISTEN.
    """

    poll_interval_seconds: float = setting(number(0.001, DAY_SECONDS), 0.1)
    batch_size: int = setting(integer(1, 100_000), 500)
    notify: bool = setting(boolean, False)
    direct_aliases: Mapping[str, str] = setting(database_aliases, EMPTY)
    lease_seconds: float = setting(number(1, DAY_SECONDS), 10.0)
    source: str | None = setting(optional(text), None)


@dataclass(frozen=True, kw_only=True)
class OperationsSettings:
    """``KAFKA["operations"]``: what processes of consumers and relays write down about themselves, for operators."""

    rows: bool = setting(boolean, True)
    interval_seconds: float = setting(number(0.1, 3600), 5.0)
    history_days: int = setting(integer(1, 36_500), 30)
    command_days: int = setting(integer(1, 36_500), 7)


@dataclass(frozen=True, kw_only=True)
class TopicSettings:
    """``KAFKA["topics"][name]``: what the topic should look like."""

    name: str
    partitions: int | None = setting(optional(integer(1, 1_000_000)), None)
    replication_factor: int | None = setting(optional(integer(1, 32767)), None)
    config: Mapping[str, Any] = setting(mapping, EMPTY)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of ``settings.KAFKA``, with what the apps bring."""

    connection: Connection
    producer: ProducerSettings
    consumers: Mapping[str, ConsumerSettings]
    topics: Mapping[str, TopicSettings] = EMPTY
    outbox: OutboxSettings = OutboxSettings()
    operations: OperationsSettings = OperationsSettings()
    tracing: bool = setting(boolean, False)
    dead_letter_retention_days: int | None = setting(optional(integer(1, 36_500)), None)
    deduplication_retention_days: int = setting(integer(1, 36_500), 30)

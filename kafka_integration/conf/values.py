"""The settings as the code sees them: frozen, checked, complete. ``conf.parse`` makes them from ``settings.KAFKA``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

V = TypeVar("V")


class FrozenMapping(Mapping[str, V], Generic[V]):
    """A mapping that doesn't change and can be hashed, so that settings can be compared and used as keys."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, V]) -> None:
        self._items = dict(items)

    def __getitem__(self, key: str) -> V:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items))

    def __repr__(self) -> str:
        return repr(self._items)


class RawProperties(FrozenMapping[Any]):
    """A ``"config"``, whose repr has the names only: debug pages and error trackers show what a frame holds."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<RawProperties {', '.join(sorted(self))}>"


EMPTY: FrozenMapping[Any] = FrozenMapping({})

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

    attempts: int | None = 5
    backoff_seconds: float = 1.0
    backoff_factor: float = 2.0
    max_backoff_seconds: float = 60.0


@dataclass(frozen=True, kw_only=True)
class ConsumerSettings:
    """One consumer of ``KAFKA["consumers"]``."""

    name: str
    connection: Connection
    topics: tuple[str, ...]
    consumer_group: str
    message_handler: str
    app_label: str | None = None
    enabled: bool = True
    start_with_earliest_message: bool = True
    offset_reset_policy: Literal["earliest", "latest", "none"] = "earliest"
    offset_commit_interval_seconds: float = 5.0
    max_bytes: int | None = None
    min_bytes: int | None = None
    max_wait_time_ms: int | None = None
    prefetch_count: int | None = None
    prefetch_bytes: int | None = None
    subscriber_retries: int = 5
    subscriber_retry_delay_ms: int = 5000
    allow_topic_auto_creation: bool = False
    key_deserializer: str = "text"
    value_deserializer: str = "text"
    batch_size: int = 500
    concurrency: int = 1
    ordering: Literal["partition"] = "partition"
    offset_storage: Literal["kafka", "database"] = "kafka"
    transaction: Literal["message", "batch"] = "message"
    database: str = "default"
    deduplicate: bool = False
    retry: RetryPolicy = RetryPolicy()
    on_failure: Literal["dead_letter", "stop", "skip"] = "dead_letter"
    failure_rules: Mapping[str, FailureAction] = EMPTY
    dead_letter_topic: str | None = None
    max_dead_letters_per_minute: int | None = None
    group_protocol: Literal["classic", "consumer"] = "classic"
    rebalance_drain_seconds: float = 15.0
    shutdown_grace_seconds: float = 25.0


@dataclass(frozen=True, kw_only=True)
class ProducerSettings:
    """``KAFKA["producer"]``, with the topics of every app."""

    connection: Connection
    topics: tuple[str, ...] = ()
    allow_any_topic: bool = False
    client_name: str | None = None
    partition_strategy: str = "murmur2_random"
    required_acks: int = -1
    max_retries: int | None = None
    compression: str = "none"
    linger_ms: float = 5
    max_batch_size: int | None = None
    retry_backoff_ms: int | None = None
    ack_timeout_ms: int | None = None
    allow_topic_auto_creation: bool = False
    key_serializer: str | None = None
    value_serializer: str | None = None
    shutdown_grace_seconds: float = 5.0


@dataclass(frozen=True, kw_only=True)
class OutboxSettings:
    """``KAFKA["outbox"]``: how the relay reads published rows.

    ``direct_aliases`` names, for a database behind a pooler, the alias that leads to it directly: for LISTEN.
    """

    poll_interval_seconds: float = 0.1
    batch_size: int = 500
    notify: bool = False
    direct_aliases: Mapping[str, str] = EMPTY
    lease_seconds: float = 10.0
    source: str | None = None


@dataclass(frozen=True, kw_only=True)
class TopicSettings:
    """``KAFKA["topics"][name]``: what the topic should look like."""

    name: str
    partitions: int | None = None
    replication_factor: int | None = None
    config: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of ``settings.KAFKA``, with what the apps bring."""

    connection: Connection
    producer: ProducerSettings
    consumers: Mapping[str, ConsumerSettings]
    topics: Mapping[str, TopicSettings] = EMPTY
    outbox: OutboxSettings = OutboxSettings()
    dead_letter_retention_days: int | None = None
    deduplication_retention_days: int = 30

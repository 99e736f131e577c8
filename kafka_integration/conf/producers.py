"""The settings of the producer, the outbox and the topics, and of what processes write down about themselves.

A field that is read from a key of its own says how, and what it is without the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..topic_names import topic_name_problem
from .connection import Connection
from .frozen import EMPTY
from .kaffe import PRODUCER_OPTIONS, refuse_options
from .levels import CONNECTION_KEYS, Level, read_level
from .problems import Kind
from .readers import (
    boolean,
    choice,
    database_aliases,
    integer,
    mapping,
    named_or_path,
    number,
    optional,
    text,
    topic_name,
)
from .schema import DAY_SECONDS, keys_of, read_fields, setting
from .section import Section


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


KEYS = ("topics", *keys_of(ProducerSettings), *CONNECTION_KEYS)


def parse_producer(section: Section, above: Level, app_topics: Iterable[str]) -> tuple[ProducerSettings, Level]:
    """Return the producer, with the topics of every app, and its level of the connection."""
    refused = refuse_options(section, PRODUCER_OPTIONS)
    section.refuse_unknown([*KEYS, *refused])
    level = read_level(section, above)
    topics = section.read_list("topics", topic_name, '["banner_click"]')
    producer = ProducerSettings(
        connection=level.connection(),
        topics=tuple(dict.fromkeys([*topics, *app_topics])),
        **read_fields(section, ProducerSettings),
    )
    return producer, level


def parse_outbox(section: Section | None) -> OutboxSettings:
    """Return how the relay reads published rows."""
    if section is None:
        return OutboxSettings()
    section.refuse_unknown(keys_of(OutboxSettings))
    return OutboxSettings(**read_fields(section, OutboxSettings))


def parse_operations(section: Section | None) -> OperationsSettings:
    """Return what processes write down about themselves."""
    if section is None:
        return OperationsSettings()
    section.refuse_unknown(keys_of(OperationsSettings))
    return OperationsSettings(**read_fields(section, OperationsSettings))


def parse_topics(section: Section | None) -> Mapping[str, TopicSettings]:
    """Return what the topics should look like."""
    topics: dict[str, TopicSettings] = {}
    if section is None:
        return topics
    for name in section.values:
        if problem := topic_name_problem(name):
            section.problems.add(Kind.TOPIC_NAME, f"{section.path_of(name)}: {problem}.")
        topic = section.section(name, '{"partitions": 6, "replication_factor": 3}')
        if topic is not None:
            topic.refuse_unknown(keys_of(TopicSettings))
            topics[name] = TopicSettings(name=str(name), **read_fields(topic, TopicSettings))
    return topics

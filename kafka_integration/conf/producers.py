"""The producer, the outbox and the topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings

from ..topic_names import topic_name_problem
from .connections import CONNECTION_KEYS, Level, read_level
from .consumers import DAY_SECONDS
from .kaffe import PRODUCER_OPTIONS, refuse_options
from .problems import Kind, shown
from .readers import (
    Invalid,
    Reader,
    boolean,
    choice,
    integer,
    mapping,
    named_or_path,
    number,
    optional,
    text,
    topic_name,
)
from .section import Section
from .values import FrozenMapping, OutboxSettings, ProducerSettings, TopicSettings

READERS: dict[str, Reader[Any]] = {
    "allow_any_topic": boolean,
    "client_name": optional(text),
    "partition_strategy": named_or_path("murmur2_random", "md5", "random"),
    "required_acks": choice(-1, 0, 1, all=-1),
    "max_retries": optional(integer(0)),
    "compression": choice("none", "gzip", "snappy", "lz4", "zstd", no_compression="none"),
    "linger_ms": number(0, 900_000),
    "max_batch_size": optional(integer(1)),
    "retry_backoff_ms": optional(integer(1, 300_000)),
    "ack_timeout": optional(integer(1, 900_000)),
    "allow_topic_auto_creation": boolean,
    "key_serializer": optional(named_or_path("text", "json", "bytes")),
    "value_serializer": optional(named_or_path("text", "json", "bytes")),
    "shutdown_grace_seconds": number(0, DAY_SECONDS),
}
FIELD_OF_KEY = {"ack_timeout": "ack_timeout_ms"}
KEYS = ("topics", *READERS, *CONNECTION_KEYS)


def database_aliases(value: Any) -> Mapping[str, str]:
    names = [*mapping(value).keys(), *value.values()]
    if unknown := [name for name in names if not isinstance(name, str) or name not in settings.DATABASES]:
        raise Invalid(f"{shown(unknown[0])} is not in settings.DATABASES", kind=Kind.DATABASE)
    return FrozenMapping(dict(value))


OUTBOX_READERS: dict[str, Reader[Any]] = {
    "poll_interval_seconds": number(0.001, DAY_SECONDS),
    "batch_size": integer(1, 100_000),
    "notify": boolean,
    "direct_aliases": database_aliases,
    "lease_seconds": number(1, DAY_SECONDS),
    "source": optional(text),
}
TOPIC_READERS: dict[str, Reader[Any]] = {
    "partitions": optional(integer(1, 1_000_000)),
    "replication_factor": optional(integer(1, 32767)),
    "config": mapping,
}


def parse_producer(section: Section, above: Level, app_topics: Iterable[str]) -> tuple[ProducerSettings, Level]:
    """Return the producer, with the topics of every app, and its level of the connection."""
    refused = refuse_options(section, PRODUCER_OPTIONS)
    section.refuse_unknown([*KEYS, *refused])
    level = read_level(section, above)
    topics = section.read_list("topics", topic_name, '["banner_click"]')
    given = {FIELD_OF_KEY.get(key, key): value for key, value in section.read_given(READERS).items()}
    producer = ProducerSettings(
        connection=level.connection(), topics=tuple(dict.fromkeys([*topics, *app_topics])), **given
    )
    return producer, level


def parse_outbox(section: Section | None) -> OutboxSettings:
    """Return how the relay reads published rows."""
    if section is None:
        return OutboxSettings()
    section.refuse_unknown(OUTBOX_READERS)
    return OutboxSettings(**section.read_given(OUTBOX_READERS))


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
            topic.refuse_unknown(TOPIC_READERS)
            topics[name] = TopicSettings(name=str(name), **topic.read_given(TOPIC_READERS))
    return topics

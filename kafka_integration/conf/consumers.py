"""One consumer: its keys, their readers, and how the project's settings lie over an app's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .connections import CONNECTION_KEYS, Level, read_level
from .kaffe import CONSUMER_OPTIONS, refuse_options
from .problems import Kind
from .readers import (
    Reader,
    boolean,
    choice,
    dotted_path,
    integer,
    named_or_path,
    number,
    optional,
    text,
    text_up_to,
    topic_name,
    topic_or_pattern,
)
from .section import Section
from .values import ConsumerSettings, FrozenMapping, RetryPolicy

DAY_MS = 86_400_000
DAY_SECONDS = 86_400

READERS: dict[str, Reader[Any]] = {
    "consumer_group": text_up_to(249),
    "message_handler": dotted_path,
    "enabled": boolean,
    "start_with_earliest_message": boolean,
    "offset_reset_policy": choice(
        "earliest",
        "latest",
        "none",
        reset_to_earliest="earliest",
        reset_to_latest="latest",
        reset_by_subscriber="none",
    ),
    "offset_commit_interval_seconds": number(0.01, DAY_SECONDS),
    "max_bytes": optional(integer(1, 1_000_000_000)),
    "min_bytes": optional(integer(0, 100_000_000)),
    "max_wait_time": optional(integer(0, 300_000)),
    "prefetch_count": optional(integer(1, 10_000_000)),
    "prefetch_bytes": optional(integer(1)),
    "subscriber_retries": integer(0),
    "subscriber_retry_delay_ms": integer(0, DAY_MS),
    "allow_topic_auto_creation": boolean,
    "key_deserializer": named_or_path("text", "json", "bytes"),
    "value_deserializer": named_or_path("text", "json", "bytes"),
    "batch_size": integer(1, 1_000_000),
    "concurrency": integer(1, 1000),
    "ordering": choice("partition"),
    "offset_storage": choice("kafka", "database"),
    "transaction": choice("message", "batch"),
    "database": text,
    "deduplicate": boolean,
    "on_failure": choice("dead_letter", "stop", "skip"),
    "dead_letter_topic": optional(topic_name),
    "max_dead_letters_per_minute": optional(integer(1)),
    "group_protocol": choice("classic", "consumer"),
    "rebalance_drain_seconds": number(0, DAY_SECONDS),
    "shutdown_grace_seconds": number(0, DAY_SECONDS),
}
RETRY_READERS: dict[str, Reader[Any]] = {
    "attempts": optional(integer(1)),
    "backoff_seconds": number(0, DAY_SECONDS),
    "backoff_factor": number(1, 1000),
    "max_backoff_seconds": number(0, DAY_SECONDS),
}
KEYS = ("topics", *READERS, "retry", "failure_rules", *CONNECTION_KEYS)
FIELD_OF_KEY = {"max_wait_time": "max_wait_time_ms"}
MERGED_KEYS = ("retry", "failure_rules", "config")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A consumer as it was written: in the project's settings, by an app, or by both."""

    name: str
    section: Section
    app_label: str | None = None


def merge_sections(app: Section, project: Section) -> Section:
    """Return the project's keys over the app's; ``retry``, ``failure_rules`` and ``config`` are merged key by key."""
    values: dict[str, Any] = {**app.values, **project.values}
    for key in MERGED_KEYS:
        below, above = app.values.get(key), project.values.get(key)
        if isinstance(below, Mapping) and isinstance(above, Mapping):
            values[key] = {**below, **above}
    origins = {key: (project if key in project else app).path_of(key) for key in values}
    return Section(values, project.path, project.problems, origins)


def parse_consumer(definition: Definition, above: Level) -> tuple[ConsumerSettings, Level]:
    """Return the consumer, with defaults in place of what is wrong, and its level of the connection."""
    section = definition.section
    if not _NAME.fullmatch(definition.name):
        section.problems.add(
            Kind.VALUE,
            f'{section.path}: the name of a consumer has letters, digits, ".", "_" and "-" only, 200 at most.',
        )
    refused = refuse_options(section, CONSUMER_OPTIONS)
    section.refuse_unknown([*KEYS, *refused])
    level = read_level(section, above)
    _require(section)
    given = {FIELD_OF_KEY.get(key, key): value for key, value in section.read_given(READERS).items()}
    required = {"consumer_group": "", "message_handler": ""}
    consumer = ConsumerSettings(
        name=definition.name,
        app_label=definition.app_label,
        connection=level.connection(),
        topics=section.read_list("topics", topic_or_pattern, '["banner_click"]'),
        retry=_retry(section),
        failure_rules=_failure_rules(section),
        **{**required, **given},
    )
    return consumer, level


def _require(section: Section) -> None:
    section.require("topics", 'name what it reads, like ["banner_click"]')
    section.require("consumer_group", "name the group whose offsets it commits; consumers of one group share the work")
    section.require("message_handler", 'give the dotted path of a function, like "shop.handlers.orders"')
    if section.values.get("topics") in ([], ()):
        section.add("topics", Kind.MISSING, 'is empty: name what it reads, like ["banner_click"]')


def _retry(section: Section) -> RetryPolicy:
    retry = section.section("retry", '{"attempts": 5, "backoff_seconds": 1}')
    if retry is None:
        return RetryPolicy()
    retry.refuse_unknown(RETRY_READERS)
    policy = RetryPolicy(**retry.read_given(RETRY_READERS))
    if policy.max_backoff_seconds < policy.backoff_seconds:
        retry.problems.add(
            Kind.CONTRADICTION,
            f"{retry.path} has max_backoff_seconds {policy.max_backoff_seconds:g} below "
            f"backoff_seconds {policy.backoff_seconds:g}: raise the one or lower the other.",
        )
    return policy


def _failure_rules(section: Section) -> Mapping[str, Any]:
    rules = section.section("failure_rules", '{"builtins.ValueError": "dead_letter"}')
    if rules is None:
        return FrozenMapping({})
    for path in rules.values:
        if not isinstance(path, str) or "." not in path:
            rules.problems.add(
                Kind.VALUE,
                f'{rules.path_of(path)} is no path of an exception: use one like "builtins.ValueError".',
            )
    readers = {path: choice("retry", "dead_letter", "skip", "stop") for path in rules.values}
    return FrozenMapping(rules.read_given(readers))

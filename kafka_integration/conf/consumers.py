"""One consumer: its settings as the code sees them, what it needs, and how the project's lie over an app's.

A field that is read from a key of its own says how, and what it is without the key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .connection import Connection
from .frozen import EMPTY, FrozenMapping
from .kaffe import CONSUMER_OPTIONS, refuse_options
from .levels import CONNECTION_KEYS, Level, read_level
from .problems import Kind
from .readers import (
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
from .schema import DAY_MS, DAY_SECONDS, keys_of, read_fields, setting
from .section import Section

KAFFES_RESETS = {"reset_to_earliest": "earliest", "reset_to_latest": "latest", "reset_by_subscriber": "none"}

FailureAction = Literal["retry", "dead_letter", "skip", "stop"]


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


KEYS = ("topics", *keys_of(ConsumerSettings), "retry", "failure_rules", *CONNECTION_KEYS)
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
    given = {"consumer_group": "", "message_handler": "", **read_fields(section, ConsumerSettings)}
    consumer = ConsumerSettings(
        name=definition.name,
        app_label=definition.app_label,
        connection=level.connection(),
        topics=section.read_list("topics", topic_or_pattern, '["banner_click"]'),
        retry=_retry(section),
        failure_rules=_failure_rules(section),
        **given,
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
    retry.refuse_unknown(keys_of(RetryPolicy))
    policy = RetryPolicy(**read_fields(retry, RetryPolicy))
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
        return EMPTY
    for path in rules.values:
        if not isinstance(path, str) or "." not in path:
            rules.problems.add(
                Kind.VALUE,
                f'{rules.path_of(path)} is no path of an exception: use one like "builtins.ValueError".',
            )
    readers = {path: choice("retry", "dead_letter", "skip", "stop") for path in rules.values}
    return FrozenMapping(rules.read_given(readers))

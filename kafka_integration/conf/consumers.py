"""One consumer: what it needs, and how the project's settings lie over an app's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .connections import CONNECTION_KEYS, Level, read_level
from .frozen import EMPTY, FrozenMapping
from .kaffe import CONSUMER_OPTIONS, refuse_options
from .problems import Kind
from .readers import choice, topic_or_pattern
from .schema import keys_of, read_fields
from .section import Section
from .values import ConsumerSettings, RetryPolicy

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

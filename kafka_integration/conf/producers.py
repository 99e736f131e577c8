"""The producer, the outbox, the topics, and what processes write down about themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..topic_names import topic_name_problem
from .connections import CONNECTION_KEYS, Level, read_level
from .kaffe import PRODUCER_OPTIONS, refuse_options
from .problems import Kind
from .readers import topic_name
from .schema import keys_of, read_fields
from .section import Section
from .values import OperationsSettings, OutboxSettings, ProducerSettings, TopicSettings

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

"""What the installed apps bring: ``kafka = {"consumers": …, "producer": …, "topics": …}`` on an AppConfig."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.apps import apps

from .consumers import Definition
from .problems import Kind, Problems, key_path, kind_of, shown
from .readers import topic_name
from .section import Section

KEYS = ("consumers", "producer", "topics")


@dataclass(kw_only=True)
class Contributions:
    """The consumers, producer topics and topic definitions of all apps, before the project's settings."""

    consumers: dict[str, Definition] = field(default_factory=dict)
    producer_topics: list[str] = field(default_factory=list)
    topics: list[Section] = field(default_factory=list)


def read_apps(problems: Problems) -> Contributions:
    """Return what the AppConfigs of the project contribute; two apps can't name a consumer alike."""
    contributions = Contributions()
    for app in apps.get_app_configs():
        values = getattr(app, "kafka", None)
        if values is None:
            continue
        path = f"{type(app).__name__}.kafka"
        if not isinstance(values, Mapping):
            problems.add(Kind.SHAPE, f'{path} is {kind_of(values)}: use a dict like {{"consumers": {{…}}}}.')
            continue
        _add(contributions, Section(values, path, problems), app.label)
    return contributions


def _add(contributions: Contributions, section: Section, label: str) -> None:
    section.refuse_unknown(KEYS, _explain_key)
    for name, consumer in section.sections("consumers", '{"marketing": {…}}', of='{"topics": […], …}').items():
        _add_consumer(contributions, name, consumer, label)
    producer = section.section("producer", '{"topics": […]}')
    if producer is not None:
        producer.refuse_unknown(["topics"], lambda key: "an app names its topics only; the rest belongs to the project")
        contributions.producer_topics += producer.read_list("topics", topic_name, '["banner_click"]')
    topics = section.section("topics", '{"banner_click": {"partitions": 6}}')
    if topics is not None:
        contributions.topics.append(topics)


def _add_consumer(contributions: Contributions, name: str, section: Section, label: str) -> None:
    other = contributions.consumers.get(name)
    if other is not None:
        section.problems.add(
            Kind.DUPLICATE_CONSUMER,
            f"{section.path} and {other.section.path} both define the consumer {shown(name)}: rename one of them.",
        )
        return
    contributions.consumers[name] = Definition(name=name, section=section, app_label=label)


def _explain_key(key: str) -> str | None:
    if key == "consumer":
        return f"an app gives its consumers names: use {key_path('kafka', 'consumers')}"
    return None

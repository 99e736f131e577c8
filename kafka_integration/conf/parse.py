"""``settings.KAFKA`` and what the apps bring, made into ``Settings``, with everything that is wrong about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from .connections import CONNECTION_KEYS, Level, read_level
from .consumers import Definition, merge_sections, parse_consumer
from .contradictions import find_contradictions
from .endpoints import EXAMPLE
from .installed import Contributions, read_apps
from .problems import Kind, Problem, Problems
from .producers import parse_outbox, parse_producer, parse_topics
from .readers import integer, optional
from .section import Section, shape
from .values import FrozenMapping, Settings, TopicSettings

KEYS = (
    *CONNECTION_KEYS,
    "consumer",
    "consumers",
    "producer",
    "topics",
    "outbox",
    "dead_letter_retention_days",
    "deduplication_retention_days",
)
ROOT = "KAFKA"
SEED_NAME = "default"


@dataclass(frozen=True, kw_only=True)
class Examined:
    """The settings with defaults in place of what is wrong, and what that is; no settings where nothing can be read."""

    settings: Settings | None
    problems: tuple[Problem, ...]
    sections: Mapping[str, Section] = FrozenMapping({})


def examine() -> Examined:
    """Read everything once; raise nothing."""
    problems = Problems()
    values = getattr(settings, "KAFKA", None)
    if not isinstance(values, Mapping):
        state = f"is {shape(values)}" if hasattr(settings, "KAFKA") else "is missing"
        problems.add(Kind.SHAPE, f'settings.{ROOT} {state}: give it a dict, to begin with {{"endpoints": "embedded"}}.')
        return Examined(settings=None, problems=tuple(problems))
    return _examine_root(Section(values, ROOT, problems), problems)


def _examine_root(root: Section, problems: Problems) -> Examined:
    root.refuse_unknown(KEYS)
    contributions = read_apps(problems)
    top = read_level(root, Level())
    definitions = _definitions(root, contributions)
    parsed = {name: parse_consumer(definition, top) for name, definition in definitions.items()}
    producer_section = root.section("producer", '{"topics": ["banner_click"]}')
    producer, producer_level = parse_producer(
        producer_section or Section({}, root.path_of("producer"), problems), top, contributions.producer_topics
    )
    nowhere = [definitions[name].section.path for name, (_, level) in parsed.items() if level.missing]
    if producer_level.missing and (producer_section is not None or not parsed):
        nowhere.append(root.path_of("producer"))
    _require_endpoints(root, nowhere)
    result = Settings(
        connection=top.connection(),
        producer=producer,
        consumers=FrozenMapping({name: consumer for name, (consumer, _) in parsed.items()}),
        topics=_topics(root, contributions),
        outbox=parse_outbox(root.section("outbox", '{"batch_size": 500}')),
        **root.read_given(_RETENTION_READERS),
    )
    sections = {"": root, **{name: definition.section for name, definition in definitions.items()}}
    find_contradictions(result, producer_section, sections, problems)
    return Examined(settings=result, problems=tuple(problems), sections=FrozenMapping(sections))


_RETENTION_READERS: dict[str, Any] = {
    "dead_letter_retention_days": optional(integer(1, 36_500)),
    "deduplication_retention_days": integer(1, 36_500),
}


def _definitions(root: Section, contributions: Contributions) -> dict[str, Definition]:
    definitions = dict(contributions.consumers)
    for name, section in _project_sections(root).items():
        app = contributions.consumers.get(name)
        if app is None:
            definitions[name] = Definition(name=name, section=section)
        else:
            merged = merge_sections(app.section, section)
            definitions[name] = Definition(name=name, section=merged, app_label=app.app_label)
    return definitions


def _project_sections(root: Section) -> dict[str, Section]:
    found: dict[str, Section] = {}
    consumers = root.section("consumers", '{"marketing": {"topics": […], …}}')
    for name in consumers.values if consumers else ():
        assert consumers is not None
        section = consumers.section(name, '{"topics": […], "consumer_group": …, "message_handler": …}')
        if section is not None:
            found[str(name)] = section
    single = root.section("consumer", '{"topics": […], "consumer_group": …, "message_handler": …}')
    if single is not None and SEED_NAME in found:
        both = f'{root.path_of("consumers")}["{SEED_NAME}"]'
        root.add("consumer", Kind.CONTRADICTION, f"means {both}, which is given too: remove one")
    elif single is not None:
        found[SEED_NAME] = single
    return found


def _require_endpoints(root: Section, nowhere: list[str]) -> None:
    if nowhere:
        root.problems.add(
            Kind.MISSING,
            f"{root.path_of('endpoints')} is missing: say where Kafka is, like {EXAMPLE}; "
            f"nothing else tells it to {', '.join(nowhere)}.",
        )


def _topics(root: Section, contributions: Contributions) -> Mapping[str, TopicSettings]:
    found: dict[str, TopicSettings] = {}
    for section in contributions.topics:
        found.update(parse_topics(section))
    found.update(parse_topics(root.section("topics", '{"banner_click": {"partitions": 6}}')))
    return FrozenMapping(found)

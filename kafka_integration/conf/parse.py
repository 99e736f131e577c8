"""``settings.KAFKA`` and what the apps bring, made into ``Settings``, with everything that is wrong about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from django.conf import settings

from .app_configs import Contributions, read_apps
from .consumers import ConsumerSettings, Definition, merge_sections, parse_consumer
from .contradictions import find_consumer_contradictions, find_producer_contradictions, warn_of_split_topics
from .endpoints import EXAMPLE
from .frozen import EMPTY, FrozenMapping
from .groups import find_group_contradictions
from .levels import CONNECTION_KEYS, Level, read_level
from .problems import Kind, Problem, Problems, kind_of
from .producers import TopicSettings, parse_operations, parse_outbox, parse_producer, parse_topics
from .schema import keys_of, read_fields
from .section import Section
from .settings import Settings

ROOT = "KAFKA"
SEED_NAME = "default"
KEYS = (*CONNECTION_KEYS, "consumer", "consumers", "producer", "topics", "outbox", "operations", *keys_of(Settings))

Client = Literal["any", "consumer", "producer"]


@dataclass(frozen=True, kw_only=True)
class RawProperty:
    """One entry of a ``"config"``; ``client`` says which clients it is for."""

    path: str
    name: str
    value: Any = field(repr=False)
    client: Client


@dataclass(frozen=True, kw_only=True)
class Examined:
    """The settings with defaults in place of what is wrong, and what that is; no settings where nothing can be read."""

    settings: Settings | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()
    raw_properties: tuple[RawProperty, ...] = ()
    producer: Section | None = None
    consumers: Mapping[str, Section] = EMPTY


def examine() -> Examined:
    """Read everything once; raise nothing."""
    problems = Problems()
    values = getattr(settings, "KAFKA", None)
    if not isinstance(values, Mapping):
        state = f"is {kind_of(values)}" if hasattr(settings, "KAFKA") else "is missing"
        problems.add(Kind.SHAPE, f'settings.{ROOT} {state}: give it a dict, to begin with {{"endpoints": "embedded"}}.')
        return Examined(settings=None, problems=tuple(problems))
    return _examine_root(Section(values, ROOT, problems))


def _examine_root(root: Section) -> Examined:
    root.refuse_unknown(KEYS)
    problems = root.problems
    contributions = read_apps(problems)
    top = read_level(root, Level())
    definitions = _definitions(root, contributions)
    parsed = {name: parse_consumer(definition, top) for name, definition in definitions.items()}
    producer_section = root.section("producer", '{"topics": ["banner_click"]}')
    producer, producer_level = parse_producer(
        producer_section or Section({}, root.path_of("producer"), problems), top, contributions.producer_topics
    )
    own = read_fields(root, Settings)
    if own.get("tracing"):
        producer = replace(producer, tracing=True)
        parsed = {name: (replace(consumer, tracing=True), level) for name, (consumer, level) in parsed.items()}
    levels = {definitions[name].section.path: level for name, (_, level) in parsed.items()}
    if producer_section is not None or not parsed:
        levels[root.path_of("producer")] = producer_level
    _require_endpoints(root, levels)
    found = Settings(
        connection=top.connection(),
        producer=producer,
        consumers=FrozenMapping({name: consumer for name, (consumer, _) in parsed.items()}),
        topics=_topics(root, contributions),
        outbox=parse_outbox(root.section("outbox", '{"batch_size": 500}')),
        operations=parse_operations(root.section("operations", '{"rows": True}')),
        **own,
    )
    for name, (consumer, level) in parsed.items():
        find_consumer_contradictions(consumer, level, definitions[name].section)
    find_producer_contradictions(producer, producer_level, problems)
    find_group_contradictions(parsed.values(), problems)
    warn_of_split_topics(found, problems)
    return Examined(
        settings=found,
        problems=tuple(problem for problem in problems if not problem.is_warning),
        warnings=tuple(problem for problem in problems if problem.is_warning),
        raw_properties=_raw_properties(top, producer_level, parsed),
        producer=producer_section,
        consumers=FrozenMapping({name: definition.section for name, definition in definitions.items()}),
    )


def _raw_properties(
    top: Level, producer: Level, parsed: Mapping[str, tuple[ConsumerSettings, Level]]
) -> tuple[RawProperty, ...]:
    of_clients: list[tuple[Level, Client]] = [(producer, "producer")]
    of_clients += [(level, "consumer") for _, level in parsed.values()]
    found = _own_properties(top, Level(), "any")
    for level, client in of_clients:
        found += _own_properties(level, top, client)
    return tuple(found)


def _own_properties(level: Level, above: Level, client: Client) -> list[RawProperty]:
    own = {name: path for name, path in level.config_paths.items() if above.config_paths.get(name) != path}
    return [RawProperty(path=path, name=name, value=level.config[name], client=client) for name, path in own.items()]


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
    example = '{"topics": […], "consumer_group": …, "message_handler": …}'
    found = root.sections("consumers", '{"marketing": {"topics": […], …}}', of=example)
    single = root.section("consumer", example)
    if single is not None and SEED_NAME in found:
        both = f'{root.path_of("consumers")}["{SEED_NAME}"]'
        root.add("consumer", Kind.CONTRADICTION, f"means {both}, which is given too: remove one")
    elif single is not None:
        found[SEED_NAME] = single
    return found


def _require_endpoints(root: Section, levels: Mapping[str, Level]) -> None:
    nowhere = [path for path, level in levels.items() if level.missing]
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

"""What the consumers of one group have to agree on: each is a member of it, beside the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..topic_names import cover, is_pattern
from .consumers import ConsumerSettings
from .levels import Level
from .problems import Kind, Problems, shown

ASSIGNOR = "partition.assignment.strategy"
INSTANCE = "group.instance.id"

Parsed = tuple[ConsumerSettings, Level]


def find_group_contradictions(consumers: Iterable[Parsed], problems: Problems) -> None:
    """Add the problems of consumers that can't be members of their group side by side."""
    groups: dict[tuple[object, ...], list[Parsed]] = {}
    for consumer, level in consumers:
        if consumer.enabled and consumer.connection.transport == "kafka":
            members = groups.setdefault((consumer.connection.servers, consumer.consumer_group), [])
            for other in members:
                _look_at_ids((consumer, level), other, problems)
                _look_at_assignors((consumer, level), other, problems)
                _look_at_offsets(consumer, other[0], problems)
            members.append((consumer, level))


def _look_at_ids(this: Parsed, other: Parsed, problems: Problems) -> None:
    (consumer, level), instance = this, this[1].config.get(INSTANCE)
    if instance is not None and str(instance) == str(other[1].config.get(INSTANCE)):
        problems.add(
            Kind.CONTRADICTION,
            f"{level.config_paths[INSTANCE]} is {shown(instance)} for {_both(consumer, other[0])}: each would throw "
            "the other out; give each its own.",
        )


def _look_at_assignors(this: Parsed, other: Parsed, problems: Problems) -> None:
    (consumer, level), (other_consumer, other_level) = this, other
    may_be_classic = "consumer" not in (consumer.group_protocol, other_consumer.group_protocol)
    if may_be_classic and _is_cooperative(level) != _is_cooperative(other_level):
        path = level.config_paths.get(ASSIGNOR) or other_level.config_paths[ASSIGNOR]
        problems.add(
            Kind.CONTRADICTION,
            f"{path} makes one of {_both(consumer, other_consumer)} cooperative and not the other: they can't share "
            "partitions; give both the same.",
        )


def _look_at_offsets(consumer: ConsumerSettings, other: ConsumerSettings, problems: Problems) -> None:
    if _place_of_offsets(consumer) != _place_of_offsets(other) and (topic := _common_topic(consumer, other)):
        problems.add(
            Kind.CONTRADICTION,
            f"T{_both(consumer, other)[1:]} keep the offsets of {shown(topic)} in different places "
            '("offset_storage", "database"): what one has done the other would do again; give both the same, or each '
            "its own consumer_group.",
        )


def _is_cooperative(level: Level) -> bool:
    return "cooperative" in str(level.config.get(ASSIGNOR, ""))


def _place_of_offsets(consumer: ConsumerSettings) -> str:
    return consumer.database if consumer.offset_storage == "database" else ""


def _common_topic(consumer: ConsumerSettings, other: ConsumerSettings) -> str | None:
    return _first_of(consumer.topics, other.topics) or _first_of(other.topics, consumer.topics)


def _first_of(entries: Collection[str], topics: Collection[str]) -> str | None:
    """The first topic that one of the entries means too; what two patterns have in common can't be told."""
    named = (topic for topic in topics if not is_pattern(topic))
    return next((topic for topic in named if cover(entries, topic)), None) or next(iter({*topics} & {*entries}), None)


def _both(consumer: ConsumerSettings, other: ConsumerSettings) -> str:
    return f'the consumers "{other.name}" and "{consumer.name}" of the group {shown(consumer.consumer_group)}'

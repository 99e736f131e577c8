"""Who takes up replays: the consumer that they are for, whether it runs now, and how its effects are protected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from django.utils.module_loading import import_string

from ...client.metadata.partition_ends import Place
from ...conf.consumers import ConsumerSettings
from ...conf.settings import Settings
from ...sinks import ModelSink
from ...topic_names import cover
from ..groups.owners import Processes

TAKES_NONE_UP = ("quiet", "draining", "stopped")


class Effects(StrEnum):
    """How often a replay's effects are there."""

    ONCE = "once"
    AT_LEAST_ONCE = "at_least_once"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Taker:
    """Who would replay the dead letters of one consumer and group; ``settings`` is None where nobody would.

    ``processes`` are the ids of those that take replays up now, None where that can't be told. ``paused`` partitions
    wait until they are resumed, and ``unowned`` ones for an owner; where ``is_all_waiting`` there are no others.
    """

    consumer: str
    group: str
    database: str
    settings: ConsumerSettings | None
    processes: tuple[int, ...] | None
    paused: tuple[Place, ...] = ()
    unowned: tuple[Place, ...] = ()
    is_all_waiting: bool = False

    @property
    def is_running(self) -> bool | None:
        """None where that can't be told."""
        if self.settings is None:
            return False
        return None if self.processes is None else bool(self.processes)

    @property
    def effects(self) -> Effects:
        if self.settings is None:
            return Effects.UNKNOWN
        in_one_transaction = self.settings.offset_storage == "database" or self.settings.deduplicate
        return Effects.ONCE if in_one_transaction else Effects.AT_LEAST_ONCE

    @property
    def sink(self) -> type[ModelSink] | None:
        """The handler, where it is a sink of ours; of any other nobody knows whether it bears a repeat."""
        if self.settings is None:
            return None
        try:
            handler = import_string(self.settings.message_handler)
        except Exception:  # noqa: BLE001 - user code; whether it can be loaded is said by check
            return None
        return handler if isinstance(handler, type) and issubclass(handler, ModelSink) else None


def takers_of(
    places: Mapping[tuple[str, str], Iterable[Place]], database: str, settings: Settings, processes: Processes
) -> list[Taker]:
    """Of the dead letters that a database keeps, by their consumer and group, with the partitions that they are of."""
    return [
        _taker(consumer, group, database, sorted(set(those)), settings, processes)
        for (consumer, group), those in places.items()
    ]


def _taker(
    consumer: str, group: str, database: str, places: Sequence[Place], settings: Settings, processes: Processes
) -> Taker:
    found = [
        _as_it_is(Taker(consumer=consumer, group=group, database=database, settings=each, processes=None), places,
                  settings, processes)
        for each in _consumers_for(consumer, group, database, settings)
    ]  # fmt: skip
    # Of several any may take them: one that runs is enough.
    found.sort(key=lambda taker: not taker.is_running)
    return (
        found[0] if found else Taker(consumer=consumer, group=group, database=database, settings=None, processes=None)
    )


def _consumers_for(consumer: str, group: str, database: str, settings: Settings) -> list[ConsumerSettings]:
    """As consumers look for them: their own, and those of a name of their group that is no longer configured."""
    members = [each for each in settings.consumers.values() if each.consumer_group == group]
    named = [each for each in members if each.name == consumer]
    return [each for each in named or members if each.database == database]


def _as_it_is(taker: Taker, places: Sequence[Place], settings: Settings, processes: Processes) -> Taker:
    consumer = taker.settings
    assert consumer is not None  # nobody else is asked for
    running = [
        (process.id, told)
        for process in processes or ()
        for told in process.consumers
        if told.get("name") == consumer.name and told.get("group") == consumer.consumer_group
        and told.get("state") not in TAKES_NONE_UP
    ]  # fmt: skip
    if processes is None or not (running or settings.operations.rows):
        return taker
    reasons = {(p["topic"], p["partition"]): p.get("reason") for _, told in running for p in told["partitions"]}
    read = [place for place in places if cover(consumer.topics, place[0])]
    paused = tuple(place for place in read if reasons.get(place) == "paused")
    # What the consumer doesn't read anybody in the group takes.
    unowned = tuple(place for place in read if running and place not in reasons)
    return replace(
        taker,
        processes=tuple(id for id, _ in running),
        paused=paused,
        unowned=unowned,
        is_all_waiting=len(paused) + len(unowned) == len(places),
    )

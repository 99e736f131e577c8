"""The oracles: what was lost, what happened twice, what happened out of order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

from tests.faults.effects import Effect
from tests.faults.load import Acknowledged

Place = tuple[int, int]
Identity = Callable[[Effect], Hashable]


def placed(effect: Effect) -> Place:
    """A record is the same one if it is at the same place of the topic."""
    return effect.partition, effect.offset


def numbered(effect: Effect) -> tuple[str | None, int]:
    """A record is the same one if it has the same number, wherever it is: a relay may send one twice."""
    return effect.key, effect.seq


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """All four lists are empty where every promise was kept."""

    lost: list[Acknowledged] = field(default_factory=list)
    repeated: dict[Hashable, int] = field(default_factory=dict)
    disordered: list[str] = field(default_factory=list)
    overlapping: list[str] = field(default_factory=list)


def judge(acknowledged: Iterable[Acknowledged], effects: list[Effect], identity: Identity = placed) -> Judgement:
    return Judgement(
        lost=find_lost(acknowledged, effects),
        repeated=find_repeated(effects, identity),
        disordered=find_disordered(effects, identity),
        overlapping=find_overlapping(effects),
    )


def find_lost(acknowledged: Iterable[Acknowledged], effects: Iterable[Effect]) -> list[Acknowledged]:
    """L: acknowledged records without any effect."""
    found = list(effects)
    places = set(map(placed, found))
    numbers = set(map(numbered, found))
    return [
        record
        for record in acknowledged
        if (record.partition, record.offset) not in places
        and (record.offset is not None or (record.key, record.seq) not in numbers)
    ]


def find_repeated(effects: Iterable[Effect], identity: Identity = placed) -> dict[Hashable, int]:
    """X: records with more than one effect, and how many they have."""
    counts = Counter(map(identity, effects))
    return {record: count for record, count in counts.items() if count > 1}


def find_disordered(effects: Iterable[Effect], identity: Identity = placed) -> list[str]:
    """O: keys whose effects, each counted where it appears first, are not in the order in which they were sent."""
    newest: dict[str | None, int] = {}
    seen: set[Hashable] = set()
    found = []
    for effect in effects:
        if identity(effect) in seen:
            continue
        seen.add(identity(effect))
        if effect.seq < newest.get(effect.key, 0):
            found.append(f"{effect.key}: {effect.seq} after {newest[effect.key]}")
        newest[effect.key] = max(effect.seq, newest.get(effect.key, 0))
    return found


def find_overlapping(effects: Iterable[Effect]) -> list[str]:
    """O: keys that were handled in two places at once, be it in two threads of one worker."""
    by_key: dict[str | None, list[Effect]] = defaultdict(list)
    for effect in effects:
        by_key[effect.key].append(effect)
    found = []
    for key, own in by_key.items():
        own.sort(key=lambda effect: effect.began)
        last = own[0]
        for effect in own[1:]:
            # The messages of one call of a batch handler began together.
            if effect.began < last.ended and (effect.worker, effect.began) != (last.worker, last.began):
                found.append(f"{key}: {effect.seq} began while {last.seq} was being handled")
            last = max(last, effect, key=lambda each: each.ended)
    return found

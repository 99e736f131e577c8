"""What a replay of dead letters would do, before anything is done."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from ...conf.settings import Settings
from ...dead_letters.operations import REPLAYABLE
from ...dead_letters.standings import Standing, Tally, tallies, tallies_of_newest
from ...models import DeadLetter
from ...summaries import ranges
from ..groups.owners import live_processes
from .key_order import find_overtaking
from .takers import Taker, takers_of

KEYS_COMPARED = 20_000

_OF_PARKED = frozenset({Standing.PARKED, Standing.FAILED_AGAIN})
_OF_DISCARDED = frozenset({Standing.DISCARDED, Standing.SKIPPED})


@dataclass(frozen=True, kw_only=True)
class Part:
    """Dead letters of one database, and the states of those among them that a replay is for."""

    letters: QuerySet[DeadLetter]
    states: Collection[str] = REPLAYABLE


@dataclass(frozen=True, kw_only=True)
class Target:
    """Those of one consumer, group and topic that would be replayed."""

    consumer: str
    group: str
    topic: str
    partitions: tuple[int, ...]
    count: int
    first_at: datetime
    last_at: datetime

    @property
    def place(self) -> str:
        """``orders[0-3]``."""
        return f"{self.topic}[{ranges(self.partitions)}]"


@dataclass(frozen=True, kw_only=True)
class Preview:
    """How those that are meant stand, and what of them would be handed to whom.

    ``takers`` are also of those that are asked for already. ``overtaking`` are those that an earlier one of their key
    would be left behind by. Where ``is_part`` only the newest were looked at.
    """

    standings: Mapping[Standing, int]
    targets: tuple[Target, ...]
    takers: tuple[Taker, ...]
    overtaking: int
    first_left_behind: int | None = None
    is_part: bool = False

    @property
    def count(self) -> int:
        """How many would be handed to their handler once more."""
        return sum(target.count for target in self.targets)


def preview(parts: Iterable[Part], settings: Settings, *, most: int | None = None) -> Preview:
    """What a replay of these would do; looks at no more than so many of the newest of each database."""
    standings: Counter[Standing] = Counter()
    targets: list[Target] = []
    takers: list[Taker] = []
    overtaking, is_part, left_behind = 0, False, None
    processes = live_processes(settings.operations)
    for part in parts:
        found = [*(tallies(part.letters) if most is None else tallies_of_newest(part.letters, most))]
        for tally in found:
            standings[tally.standing] += tally.count
        is_part = is_part or (most is not None and sum(tally.count for tally in found) >= most)
        replayable = _replayable(part.states)
        replayed = [tally for tally in found if tally.standing in replayable]
        targets += _targets(replayed)
        places = defaultdict(list)
        for tally in found:
            if tally.standing in replayable or tally.standing == Standing.REQUESTED:
                places[tally.consumer, tally.group].append((tally.topic, tally.partition))
        takers += takers_of(places, part.letters.db, settings, processes)
        if replayed:
            those = find_overtaking(part.letters, part.states, KEYS_COMPARED if most is None else most)
            overtaking += those.count
            left_behind = those.first_left_behind if left_behind is None else left_behind
    return Preview(
        standings=standings,
        targets=tuple(targets),
        takers=tuple(takers),
        overtaking=overtaking,
        first_left_behind=left_behind,
        is_part=is_part,
    )


def _replayable(states: Collection[str]) -> frozenset[Standing]:
    found = _OF_PARKED if DeadLetter.State.PARKED in states else frozenset()
    return found | _OF_DISCARDED if DeadLetter.State.DISCARDED in states else found


def _targets(found: Sequence[Tally]) -> Iterable[Target]:
    topics: dict[tuple[str, str, str], list[Tally]] = {}
    for tally in found:
        topics.setdefault((tally.consumer, tally.group, tally.topic), []).append(tally)
    for (consumer, group, topic), those in topics.items():
        yield Target(
            consumer=consumer,
            group=group,
            topic=topic,
            partitions=tuple(sorted({tally.partition for tally in those})),
            count=sum(tally.count for tally in those),
            first_at=min(tally.first_at for tally in those),
            last_at=max(tally.last_at for tally in those),
        )

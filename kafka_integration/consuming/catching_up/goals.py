"""How far a group has to come for ``--until-caught-up``: the ends of its partitions, noted once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from ...cells import count
from ...client.metadata.partition_ends import Place

SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One partition's end at the start, and where its group stood then."""

    end: int
    start: int
    """Where the group begins while it has no offset there."""
    needs_offset: bool
    """Whether the group has to hold an offset even where there is nothing to handle: it begins at the end."""
    beyond: int | None = None
    """An offset beyond the end: the group begins anew somewhere else, and until then has reached nothing."""

    def left(self, position: int | None) -> int | None:
        """How much is left for a group at ``position``; None where that can't be known, 0 where the goal is reached."""
        if position is not None and position == self.beyond:
            return None
        if position is None and self.needs_offset:
            return None
        return max(0, self.end - (self.start if position is None else position))


@dataclass
class Goals:
    """The goals of all partitions; None while an end is not known."""

    _of: dict[Place, Goal | None] = field(default_factory=dict)
    _missing_since: dict[Place, float] = field(default_factory=dict)

    def __contains__(self, place: object) -> bool:
        return place in self._of

    @property
    def places(self) -> list[Place]:
        return list(self._of)

    @property
    def unknown(self) -> list[Place]:
        return [place for place, goal in self._of.items() if goal is None]

    def end(self, place: Place) -> int | None:
        goal = self._of.get(place)
        return None if goal is None else goal.end

    def set(self, place: Place, goal: Goal | None) -> None:
        self._of[place] = goal

    def keep(self, places: Collection[Place], *, now: float, patience_seconds: float) -> None:
        """Forget what was deleted: what was not there for so long. A broker that has just started may lack some."""
        missing = {place: self._missing_since.get(place, now) for place in self._of if place not in places}
        gone = {place for place, since in missing.items() if now - since >= patience_seconds}
        self._of = {place: goal for place, goal in self._of.items() if place not in gone}
        self._missing_since = {place: since for place, since in missing.items() if place not in gone}

    def lower(self, place: Place, end: int) -> None:
        """The partition ends before its goal: its topic was made anew."""
        goal = self._of[place]
        if goal is not None and end < goal.end:
            self._of[place] = replace(goal, end=end)

    def left(self, positions: Mapping[Place, int | None]) -> dict[Place, int | None]:
        """What a group at these positions has still to do, by partition; None where that can't be known."""
        left = {place: None if goal is None else goal.left(positions.get(place)) for place, goal in self._of.items()}
        return {place: lag for place, lag in left.items() if lag != 0}


def describe_left(left: Mapping[Place, int | None]) -> str:
    """``orders[0] 12, orders[3] unknown; 12 in all, and what is unknown``."""
    places = sorted(left)
    texts = [f"{topic}[{number}] {count(left[topic, number])}" for topic, number in places[:SHOWN]]
    if len(places) > SHOWN:
        texts.append(f"{len(places) - SHOWN} more partitions")
    known = sum(lag for lag in left.values() if lag is not None)
    return f"{', '.join(texts)}; {count(known)} in all{', and what is unknown' if None in left.values() else ''}"

"""How many dead letters of each consumer wait for somebody, as far as that can be counted in a moment."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ....dead_letters import operations as dead_letters
from ....models import DeadLetter
from ....tables import has_table
from ...bounded import MOST_COUNTED, AtLeast


@dataclass(frozen=True, kw_only=True)
class WaitingLetters:
    """Those of one database. Where ``is_part`` there were too many to count: only the newest are counted."""

    alias: str
    counts: Counter[str] = field(default_factory=Counter)
    is_part: bool = False
    has_table: bool = True

    def of(self, consumer: str) -> int | None:
        """How many of a consumer's there are, or are at least; None where that isn't known."""
        count = self.counts[consumer]
        if self.is_part:
            return AtLeast(count) if count else None
        return count if self.has_table else None


def waiting_letters() -> dict[str, WaitingLetters]:
    """By database, the usual one first."""
    return {alias: _waiting_in(alias) for alias in dead_letters.databases()}


def _waiting_in(alias: str) -> WaitingLetters:
    if not has_table(alias, DeadLetter):
        return WaitingLetters(alias=alias, has_table=False)
    unsettled = DeadLetter.objects.using(alias).filter(state__in=dead_letters.UNSETTLED).order_by("-pk")
    consumers = list(unsettled.values_list("consumer", flat=True)[: MOST_COUNTED + 1])
    is_part = len(consumers) > MOST_COUNTED
    return WaitingLetters(alias=alias, counts=Counter(consumers[:MOST_COUNTED]), is_part=is_part)

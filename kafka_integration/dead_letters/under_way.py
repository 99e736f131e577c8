"""Dead letters of one database whose replay was asked for, until it is known what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.models import QuerySet
from django.db.models.functions import Now

from ..models import DeadLetter
from .operations import Selection, take_back
from .retention import PAGE

State = DeadLetter.State


class UnderWay:
    """``failed`` are the ids of those that failed again, of all that were ever under way."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.failed: set[int] = set()
        self._ids: set[int] = set()

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ids: Iterable[int]) -> None:
        self._ids.update(ids)

    def collect(self) -> list[State]:
        """What became of those that are done since the last look, each once."""
        # One that was purged meanwhile had been discarded before, or handled: nobody knows.
        states = dict.fromkeys(self._ids, str(State.DISCARDED))
        for page in self._pages():
            states.update(page.values_list("pk", "state"))
        done = {pk: State(state) for pk, state in states.items() if state != State.REPLAY}
        self._ids -= done.keys()
        self.failed |= {pk for pk, state in done.items() if state == State.PARKED}
        return list(done.values())

    def has_leased(self) -> bool:
        """Whether any is in somebody's hands, or waits for an outage to be over."""
        return any(page.filter(leased_until__gt=Now()).exists() for page in self._pages())

    def count_not_taken_up(self) -> int:
        """How many nobody has in hand, and wait for no outage."""
        return sum(page.filter(state=State.REPLAY).exclude(leased_until__gt=Now()).count() for page in self._pages())

    def withdraw(self) -> int:
        """Have those that nobody has begun parked again; how many it were."""
        if not self._ids:
            return 0
        taken_back = take_back(Selection(ids=self._ids), self.database).changed_ids
        self._ids.difference_update(taken_back)
        return len(taken_back)

    def _pages(self) -> Iterator[QuerySet[DeadLetter]]:
        ids = sorted(self._ids)
        for start in range(0, len(ids), PAGE):
            yield DeadLetter.objects.using(self.database).filter(pk__in=ids[start : start + PAGE])

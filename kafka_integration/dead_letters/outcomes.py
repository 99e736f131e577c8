"""What became of replays, by what dead letters themselves say: how many were handled, failed again, still wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any

from django.db.models import Count, Max, QuerySet

from ..models import DeadLetter
from ..summaries import escaped
from .operations import UNSETTLED, Selection
from .retention import PAGE, SETTLED
from .standings import FAILED_AGAIN, NO_REPLAY, Standing, tallies
from .texts import beginning_of_reason, with_beginning_of_reason


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Those that failed again in one way; ``reason`` and ``id`` are of the newest of them."""

    kind: str | None
    exception: str
    location: str | None
    count: int
    id: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How many stand how, after replays; ``last_at`` is when the last of these ended."""

    counts: Mapping[Standing, int]
    last_at: datetime | None
    failures: tuple[Failure, ...]


def outcome_of(selection: Selection, databases: Iterable[str]) -> Outcome:
    """What became of the replays of a selection, whatever states it names."""
    counts: Counter[Standing] = Counter()
    moments, failures = [], []
    for database in databases:
        waiting, settled = (replace(selection, states=states).of(database) for states in (UNSETTLED, SETTLED))
        # Apart, each in the words of its indexes.
        for tally in chain(tallies(waiting), tallies(settled.filter(settled_at__isnull=False))):
            counts[tally.standing] += tally.count
            if tally.replayed_at is not None and tally.standing not in NO_REPLAY:
                moments.append(tally.replayed_at)
        failures += failures_among(waiting.filter(FAILED_AGAIN))
    return Outcome(counts=counts, last_at=max(moments, default=None), failures=tuple(_together(failures)))


def failures_of(ids: Mapping[str, Collection[int]]) -> tuple[Failure, ...]:
    """How those of these ids failed, by database."""
    found: list[Failure] = []
    for database, named in ids.items():
        ordered = sorted(named)
        for start in range(0, len(ordered), PAGE):
            found += failures_among(DeadLetter.objects.using(database).filter(pk__in=ordered[start : start + PAGE]))
    return tuple(_together(found))


def failures_among(letters: QuerySet[DeadLetter]) -> list[Failure]:
    """How these failed last."""
    names = ("kind", "exception", "location")
    groups = list(letters.order_by().values(*names).annotate(count=Count("*"), id=Max("pk")).order_by("-count", "id"))
    newest = DeadLetter.objects.using(letters.db).filter(pk__in=[group["id"] for group in groups[:PAGE]])
    reasons = {letter.pk: beginning_of_reason(letter) for letter in with_beginning_of_reason(newest).only("pk")}
    return [Failure(**group, reason=reasons.get(group["id"], "")) for group in groups]


def outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    """What ``outcome --json`` prints."""
    counts = {str(standing): outcome.counts.get(standing, 0) for standing in Standing}
    last_at = None if outcome.last_at is None else outcome.last_at.isoformat()
    return {**counts, "last_at": last_at, "failures": failures_as_json(outcome.failures)}


def failures_as_json(failures: Iterable[Failure]) -> list[dict[str, Any]]:
    return [asdict(failure) for failure in failures]


def outcome_as_lines(outcome: Outcome) -> Iterator[str]:
    """Lines for people."""
    said = [f"{outcome.counts[each]} {each.label}" for each in Standing if outcome.counts.get(each)]
    yield f"{', '.join(said)}." if said else "No dead letters."
    yield from failures_as_lines(outcome.failures)


def failures_as_lines(failures: Iterable[Failure]) -> Iterator[str]:
    for failure in failures:
        reason = f": {failure.reason}" if failure.reason else ""
        place = f" at {failure.location}" if failure.location else ""
        yield escaped(
            f"{failure.count} failed again with {failure.exception}{reason}{place} (--kind {failure.kind}, "
            f"the newest is {failure.id})"
        )


def _together(failures: Iterable[Failure]) -> list[Failure]:
    """Those of several databases or pages as one, the most frequent first."""
    found: dict[tuple[str | None, str, str | None], Failure] = {}
    for failure in failures:
        known = found.get(key := (failure.kind, failure.exception, failure.location))
        found[key] = failure if known is None else replace(failure, count=known.count + failure.count)
    return sorted(found.values(), key=lambda failure: (-failure.count, failure.id))

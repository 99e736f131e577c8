"""Dead letters that wait for somebody, told apart by consumer, exception and place in the project's code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from time import monotonic
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Min, QuerySet, Subquery
from django.utils import timezone

from ..cells import NONE, UNKNOWN, count
from ..local_times import aware, spoken_moment
from ..models import DeadLetter
from ..summaries import escaped
from .locations import MAX_LOCATION, location_in
from .redaction import kind_of
from .retention import PAGE

MOST_KINDS = 1000
NAMING_SECONDS = 5.0

COLUMNS = ("KIND", "COUNT", "FIRST AT", "LAST AT", "CONSUMER", "EXCEPTION", "LOCATION")

_NAMED_BY = ("consumer", "exception", "location")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """The dead letters of one kind: how many wait, since when, and the last of them.

    ``location`` is ``""`` where no line of the project's took part. Those that nobody has told apart yet, because there
    are too many of an earlier version, have None in place of all names.
    """

    kind: str | None
    consumer: str | None
    exception: str | None
    location: str | None
    count: int
    first_at: datetime
    last_at: datetime


def kinds(databases: Iterable[str]) -> list[Kind]:
    """The kinds of all that wait for somebody, the most frequent first; at most ``MOST_KINDS`` of each database.

    Rows of earlier versions get theirs first, of the traceback that they hold, as far as there is time.
    """
    found: dict[str | None, Kind] = {}
    for database in databases:
        name_unnamed(database)
        for kind in _kinds_in(database):
            found[kind.kind] = _together(found[kind.kind], kind) if kind.kind in found else kind
    return sorted(found.values(), key=lambda kind: (-kind.count, kind.kind or ""))


@dataclass(frozen=True, kw_only=True)
class RecentKinds:
    """The kinds of the newest that wait, the last to fail first. ``are_all`` that wait are counted, or only those."""

    kinds: tuple[Kind, ...]
    are_all: bool


def recent_kinds(database: str, *, most_letters: int) -> RecentKinds:
    """The kinds of so many of the newest that wait, for who has no time to count all; those without one left out."""
    columns = ("kind", "failed_at", *_NAMED_BY)
    letters = list(waiting_in(database).order_by("-pk").values(*columns)[: most_letters + 1])
    found: dict[str, Kind] = {}
    for letter in letters[:most_letters]:
        if (name := letter["kind"]) is not None:
            at, names = aware(letter["failed_at"], database), {each: letter[each] for each in _NAMED_BY}
            kind = Kind(**names, kind=name, count=1, first_at=at, last_at=at)
            found[name] = _together(found[name], kind) if name in found else kind
    return RecentKinds(
        kinds=tuple(sorted(found.values(), key=lambda kind: kind.last_at, reverse=True)),
        are_all=len(letters) <= most_letters,
    )


def since(kinds: Iterable[Kind], database: str) -> Iterator[Kind]:
    """These, with the time of the first that waits of each: one look at an index, however many there are."""
    waiting, kinds = waiting_in(database), list(kinds)
    firsts: list[Any] = [Subquery(waiting.filter(kind=kind.kind).order_by("pk").values("pk")[:1]) for kind in kinds]
    times = dict(waiting.filter(pk__in=firsts).values_list("kind", "failed_at"))
    for kind in kinds:
        at = times.get(kind.kind)
        yield kind if at is None else replace(kind, first_at=min(kind.first_at, aware(at, database)))


def name_unnamed(database: str) -> bool:
    """Give rows that earlier versions wrote their kind, a page at a time; False if there was no time for all."""
    deadline = monotonic() + NAMING_SECONDS
    while _name_page(database) == PAGE:
        if monotonic() > deadline:
            return False
    return True


def as_json(kind: Kind) -> dict[str, Any]:
    """What ``kinds --json`` prints of each; None for what isn't known."""
    times = {"first_at": kind.first_at.isoformat(), "last_at": kind.last_at.isoformat()}
    return {**asdict(kind), "location": kind.location or None, **times}


def as_row(kind: Kind) -> tuple[str, ...]:
    """What a table shows of each."""
    times = [spoken_moment(timezone.localtime(at)) for at in (kind.first_at, kind.last_at)]
    location = "not told apart yet: ask again" if kind.kind is None else kind.location or UNKNOWN
    names = [name or NONE for name in (kind.kind, kind.consumer, kind.exception)]
    return tuple(map(escaped, (names[0], count(kind.count), *times, *names[1:], location)))


def _kinds_in(database: str) -> Iterator[Kind]:
    waiting = waiting_in(database)
    for kind, number, first_at, last_at in grouped(waiting)[:MOST_KINDS]:
        if (names := _names_of(kind, waiting)) is not None:
            times = aware(first_at, database), aware(last_at, database)
            yield Kind(**names, kind=kind, count=number, first_at=times[0], last_at=times[1])


def grouped(waiting: QuerySet[DeadLetter]) -> QuerySet[DeadLetter, tuple[str | None, int, datetime, datetime]]:
    """Each kind of these with its number, the first and the last time, the most frequent first."""
    groups = waiting.values("kind").annotate(count=Count("*"), first_at=Min("failed_at"), last_at=Max("failed_at"))
    return groups.order_by("-count", "kind").values_list("kind", "count", "first_at", "last_at")


def _names_of(kind: str | None, waiting: QuerySet[DeadLetter]) -> dict[str, Any] | None:
    """Those of its newest dead letter; None if the last has gone meanwhile."""
    if kind is None:
        return dict.fromkeys(_NAMED_BY)
    newest: dict[str, Any] | None = waiting.filter(kind=kind).order_by("-pk").values(*_NAMED_BY).first()
    return newest


def _together(one: Kind, other: Kind) -> Kind:
    return replace(
        one,
        count=one.count + other.count,
        first_at=min(one.first_at, other.first_at),
        last_at=max(one.last_at, other.last_at),
    )


def _name_page(database: str) -> int:
    """How many there were to be named, a page at most."""
    # Locked, so that none is given the kind of a failure that a newer one takes the place of.
    with transaction.atomic(using=database):
        unnamed = waiting_in(database).filter(kind=None).order_by("pk").select_for_update()
        page = list(unnamed.values_list("pk", "consumer", "exception", "traceback")[:PAGE])
        named: dict[tuple[str, str], list[int]] = {}
        for pk, consumer, exception, traceback in page:
            location = location_in(traceback)[:MAX_LOCATION]
            named.setdefault((kind_of(consumer, exception, location), location), []).append(pk)
        for (kind, location), pks in named.items():
            DeadLetter.objects.using(database).filter(pk__in=pks).update(kind=kind, location=location)
    return len(page)


def waiting_in(database: str) -> QuerySet[DeadLetter]:
    """The unsettled dead letters of a database, in the words of the index of kinds."""
    return DeadLetter.objects.using(database).filter(settled_at=None)

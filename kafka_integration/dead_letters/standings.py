"""How dead letters stand: whether a replay was asked for, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, CharField, Count, F, Max, Min, Q, QuerySet, TextChoices, Value, When
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ..local_times import aware
from ..models import DeadLetter

State = DeadLetter.State


class Standing(TextChoices):
    """A state, told apart by what the replays before it came to."""

    PARKED = "parked", _("parked")
    FAILED_AGAIN = "failed_again", _("failed again in a replay")
    REQUESTED = "requested", _("replay requested, not taken up yet")
    POSTPONED = "postponed", _("waits for what its handler needs")
    BEING_REPLAYED = "being_replayed", _("in a handler's hands")
    HANDLED = "handled", _("handled by a replay")
    SKIPPED = "skipped", _("skipped by its handler in a replay")
    DISCARDED = "discarded", _("discarded")


NO_REPLAY = (Standing.PARKED, Standing.DISCARDED)
"""Of these no replay tells anything."""
# One that came again since, because its offset was not committed, was parked anew.
FAILED_AGAIN = Q(state=State.PARKED, replayed_at__gte=F("failed_at"))

_NAMES = ("consumer", "group", "topic", "partition", "standing")
_LEASED = Q(state=State.REPLAY, leased_until__gt=Now())
_STANDING = Case(
    When(_LEASED & ~Q(lease_holder=""), then=Value(Standing.BEING_REPLAYED)),
    When(_LEASED, then=Value(Standing.POSTPONED)),
    When(state=State.REPLAY, then=Value(Standing.REQUESTED)),
    When(FAILED_AGAIN, then=Value(Standing.FAILED_AGAIN)),
    When(state=State.PARKED, then=Value(Standing.PARKED)),
    When(state=State.HANDLED, then=Value(Standing.HANDLED)),
    # Both are of one statement, and so of one moment.
    When(replayed_at=F("settled_at"), then=Value(Standing.SKIPPED)),
    default=Value(Standing.DISCARDED),
    output_field=CharField(),
)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Dead letters of one consumer and one partition that stand alike: how many, failed when, last replayed when."""

    consumer: str
    group: str
    topic: str
    partition: int
    standing: Standing
    count: int
    first_at: datetime
    last_at: datetime
    replayed_at: datetime | None


def tallies(letters: QuerySet[DeadLetter]) -> Iterator[Tally]:
    """All of these, in one query."""
    groups = letters.order_by().annotate(standing=_STANDING).values(*_NAMES)
    counted = groups.annotate(
        number=Count("*"), first_at=Min("failed_at"), last_at=Max("failed_at"), ended_at=Max("replayed_at")
    )
    columns = counted.order_by(*_NAMES).values_list(*_NAMES, "number", "first_at", "last_at", "ended_at")
    for *names, count, first_at, last_at, replayed_at in columns:
        yield _tally(letters.db, names, count, (first_at, last_at, replayed_at))


def tallies_of_newest(letters: QuerySet[DeadLetter], most: int) -> Iterator[Tally]:
    """So many of these, read in their order: counted by a database it would be free to go through all of them."""
    newest = letters.order_by("-pk").annotate(standing=_STANDING)
    times: dict[tuple[Any, ...], list[tuple[datetime, datetime | None]]] = {}
    for *names, failed_at, replayed_at in newest.values_list(*_NAMES, "failed_at", "replayed_at")[:most]:
        times.setdefault(tuple(names), []).append((failed_at, replayed_at))
    for key, found in sorted(times.items()):
        failed = [failed_at for failed_at, _ in found]
        replayed = max((at for _, at in found if at is not None), default=None)
        yield _tally(letters.db, key, len(found), (min(failed), max(failed), replayed))


def standings_of_last_settled(database: str, kind: str, most: int) -> Counter[Standing]:
    """How those of a kind stand, of so many of all kinds that were settled last."""
    settled = DeadLetter.objects.using(database).filter(settled_at__isnull=False).order_by("-settled_at")
    found = settled.annotate(standing=_STANDING).values_list("kind", "standing")[:most]
    return Counter(Standing(standing) for each, standing in found if each == kind)


def standing_of(letter: DeadLetter) -> Standing:
    """How this one stands now, by the database's clock; as parked where it is gone."""
    alias = letter._state.db
    found = DeadLetter.objects.using(alias).filter(pk=letter.pk).annotate(standing=_STANDING)
    return Standing(found.values_list("standing", flat=True).first() or Standing.PARKED)


def has_failed_again(letter: DeadLetter) -> bool:
    """Whether its last replay failed, by what the row says."""
    is_parked = letter.state == State.PARKED
    return is_parked and letter.replayed_at is not None and letter.replayed_at >= letter.failed_at


def _tally(alias: str, names: Sequence[Any], count: int, times: tuple[datetime, datetime, datetime | None]) -> Tally:
    consumer, group, topic, partition, standing = names
    first_at, last_at, replayed_at = times
    return Tally(
        consumer=consumer,
        group=group,
        topic=topic,
        partition=partition,
        standing=Standing(standing),
        count=count,
        first_at=aware(first_at, alias),
        last_at=aware(last_at, alias),
        replayed_at=None if replayed_at is None else aware(replayed_at, alias),
    )

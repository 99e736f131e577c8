"""What operators do with dead letters, for the command and the admin: find, replay, discard, purge.

They live in the database of their consumer, so there may be several tables; an id means one of them only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import islice

from django.conf import settings as django_settings
from django.db import DatabaseError, router, transaction
from django.db.models import Count, Max, Q, QuerySet
from django.db.models.functions import Now

from ..conf import get_settings
from ..conf.backends import VENDORS, vendor_of
from ..errors import UnknownDeadLetterError
from ..models import DeadLetter
from ..observing.log_fields import LogFields
from ..summaries import escaped, summarize
from ..tables import has_table
from .retention import PAGE, SETTLED, delete_settled
from .texts import with_beginning_of_reason

logger = logging.getLogger(__name__)

MAX_ID = 2**63 - 1
_IDENTITY = ("pk", "group", "topic", "topic_id", "partition", "offset", "failed_at")

State = DeadLetter.State
UNSETTLED = (State.PARKED, State.REPLAY)
# A discarded one can be had back, as long as it has not been purged.
REPLAYABLE = (State.PARKED, State.DISCARDED)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which dead letters are meant; every field that is given narrows it. Without ``states`` all states."""

    ids: Collection[int] | None = None
    states: Collection[str] = ()
    consumer: str | None = None
    group: str | None = None
    topic: str | None = None
    kind: str | None = None

    def of(self, database: str) -> QuerySet[DeadLetter]:
        """The dead letters in one database."""
        given = {"consumer": self.consumer, "group": self.group, "topic": self.topic}
        letters = DeadLetter.objects.using(database).filter(**{k: v for k, v in given.items() if v is not None})
        if self.ids is not None:
            letters = letters.filter(pk__in=[id for id in self.ids if 0 < id <= MAX_ID])
        if self.kind is not None:
            letters = letters.filter(kind=self.kind)
            if self.states and set(self.states) <= set(UNSETTLED):
                # In the words of the index of kinds.
                letters = letters.filter(settled_at=None)
        return letters.filter(state__in=self.states) if self.states else letters


@dataclass(frozen=True, kw_only=True)
class Change:
    """How many dead letters an operation was for, and which of them it changed."""

    found: int
    changed_ids: tuple[int, ...]

    @property
    def changed(self) -> int:
        return len(self.changed_ids)

    @property
    def left_alone(self) -> int:
        return self.found - self.changed


def databases() -> list[str]:
    """The aliases that hold dead letters: those of the configured consumers, the usual one first, and former ones."""
    aliases = {consumer.database for consumer in get_settings().consumers.values()} or {"default"}
    # A consumer that keeps them elsewhere now has left its old ones behind: nobody would see them any more.
    former = {alias for alias in django_settings.DATABASES if alias not in aliases and _holds_others(alias, aliases)}
    return sorted(aliases | former, key=lambda alias: (alias != "default", alias))


def _holds_others(alias: str, known: Collection[str]) -> bool:
    """Whether there are dead letters, and not those of a known database, by another way or in a replica of it."""
    if vendor_of(alias) not in VENDORS or not router.allow_migrate_model(alias, DeadLetter):
        return False
    try:
        if not has_table(alias, DeadLetter):
            return False
        last = DeadLetter.objects.using(alias).order_by("-pk").values(*_IDENTITY).first()
        return last is not None and not any(
            has_table(each, DeadLetter) and DeadLetter.objects.using(each).filter(**last).exists() for each in known
        )
    except DatabaseError as error:
        # No consumer needs it: it must not keep the others' from being seen.
        logger.warning("database %s can't be asked for dead letters: %s", alias, summarize(error))
        return False


def newest(
    selection: Selection, databases: Iterable[str], limit: int | None = None, *, without: Collection[str] = ()
) -> Iterator[DeadLetter]:
    """The newest dead letters of all these databases, the last to fail first; ``without`` are fields left unread, but
    for the beginning of a reason."""
    found = [selection.of(database).order_by("-failed_at", "-id").defer(*without)[:limit] for database in databases]
    if "reason" in without:
        found = [with_beginning_of_reason(letters) for letters in found]
    # Payloads may be large: few of them at once.
    pages = [letters.iterator(chunk_size=1000 if without else 10) for letters in found]
    return islice(merge(*pages, key=lambda letter: (letter.failed_at, letter.pk), reverse=True), limit)


def require_all(selection: Selection, database: str) -> None:
    """``UnknownDeadLetterError`` unless every id that is named is there."""
    wanted = set(selection.ids or ())
    missing = wanted - set(Selection(ids=wanted).of(database).values_list("pk", flat=True))
    if missing:
        raise UnknownDeadLetterError(missing, database)


def request_replay(selection: Selection, database: str) -> Change:
    """Ask the running consumers of their groups to handle them once more; what is settled is left alone.

    Asking twice is asking once. Discarded ones come back only where they are named, by ids or as a state.
    """
    return _change(selection, database, Q(state__in=replayable(selection)), state=State.REPLAY, settled_at=None)


def replayable(selection: Selection) -> tuple[State, ...]:
    """The states of those of a selection that a replay is for."""
    return REPLAYABLE if selection.ids is not None or selection.states else (State.PARKED,)


def requested(selection: Selection, database: str) -> list[int]:
    """The ids of those whose replay was asked for, and that no consumer is done with."""
    return [*selection.of(database).filter(state=State.REPLAY).values_list("pk", flat=True)]


def take_back(selection: Selection, database: str) -> Change:
    """Have those whose replay was asked for wait as before; one that is being replayed just now is left alone."""
    return _change(selection, database, Q(state=State.REPLAY) & ~_is_taken(), state=State.PARKED)


def discard(selection: Selection, database: str) -> Change:
    """Give them up: they are kept until they are purged. One that is being replayed just now is left alone."""
    change = _change(
        selection, database, Q(state__in=UNSETTLED) & ~_is_taken(), state=State.DISCARDED, settled_at=Now()
    )
    for page in _pages(change.changed_ids, database):
        for letter in page.order_by("pk").only("consumer", "group", "topic", "partition", "offset"):
            fields = LogFields(letter.consumer, letter.group).of((letter.topic, letter.partition), letter.offset)
            text = "consumer %s: dead letter %d, %s, is discarded"
            logger.warning(text, escaped(letter.consumer), letter.pk, letter, extra=fields)
    return change


def purge(database: str, older_than_days: float) -> int:
    """Delete what was handled or discarded more than so many days ago; how many were deleted."""
    deleted = page = delete_settled(database, older_than_days, PAGE)
    while page == PAGE:
        page = delete_settled(database, older_than_days, PAGE)
        deleted += page
    return deleted


def purge_selected(selection: Selection, database: str) -> Change:
    """Delete those that are settled, however lately; the others are left alone."""
    return _each_page(selection, database, Q(state__in=SETTLED), lambda page: page.delete())


def _is_taken() -> Q:
    return Q(state=State.REPLAY, leased_until__gt=Now()) & ~Q(lease_holder="")


def _change(selection: Selection, database: str, may_change: Q, **values: object) -> Change:
    return _each_page(
        selection, database, may_change, lambda page: page.update(leased_until=None, lease_holder="", **values)
    )


def _each_page(
    selection: Selection, database: str, may_change: Q, change: Callable[[QuerySet[DeadLetter]], object]
) -> Change:
    """Change those that may be, a page in a transaction: a consumer that works at one of them waits for no more.

    They are locked first, so that what the admin's log names is what was changed.
    """
    letters = selection.of(database)
    there = letters.order_by().aggregate(found=Count("pk"), last=Max("pk"))
    # Those that come meanwhile are another's to decide about.
    changing = letters.filter(may_change, pk__lte=there["last"] or 0).order_by("pk").select_for_update()
    changed: list[int] = []
    page = [0] * PAGE
    while len(page) == PAGE:
        # Who has begun a transaction has all of it rolled back, whatever breaks here.
        with transaction.atomic(using=database, savepoint=False):
            page = list(changing.filter(pk__gt=page[-1]).values_list("pk", flat=True)[:PAGE])
            change(DeadLetter.objects.using(database).filter(pk__in=page))
        changed += page
    return Change(found=there["found"], changed_ids=tuple(changed))


def _pages(ids: tuple[int, ...], database: str) -> Iterator[QuerySet[DeadLetter]]:
    for start in range(0, len(ids), PAGE):
        yield DeadLetter.objects.using(database).filter(pk__in=ids[start : start + PAGE])

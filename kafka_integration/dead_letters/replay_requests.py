"""Dead letters whose replay was asked for, as consumers find, lease and settle them; the database's clock decides."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from ..errors import LeaseLostError
from ..models import DeadLetter
from ..outbox.lease import RENEWALS_PER_LEASE, name_a_holder
from .heartbeat import Heartbeat

LEASE = timedelta(seconds=120)
"""How long a replay that nothing is heard of stays with whoever took it."""

Place = tuple[str, int]

# That of the index of requests. A query that asks for it is answered from there; otherwise PostgreSQL may walk through
# the whole table instead, if it was analyzed while most dead letters were to be replayed.
_ORDER = ("topic", "partition", "id")


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """One dead letter that waits for its replay."""

    id: int
    place: Place
    key_bytes: bytes | None = None


class ReplayRequests:
    """The requested replays of one group that its consumer may handle; any lane may ask.

    ``others`` are the other configured consumers of the group: their dead letters are for their handlers.
    """

    def __init__(self, *, database: str, group: str, others: Collection[str]) -> None:
        self._database = database
        self._letters = DeadLetter.objects.using(database)
        self._group = group
        self._others = others

    def places(self, limit: int) -> list[Place]:
        """The partitions that requests are for; one small query for each, and one if there are none."""
        places: list[Place] = []
        place = self._first(self._free())
        while place is not None and len(places) < limit:
            places.append(place)
            topic, partition = place
            place = self._first(self._free().filter(topic=topic, partition__gt=partition)) or self._first(
                self._free().filter(topic__gt=topic)
            )
        return places

    def find(self, places: Iterable[Place], limit: int) -> list[ReplayRequest]:
        """Requests for these partitions, one partition after the other, the oldest of each first."""
        found: list[ReplayRequest] = []
        for topic, partition in places:
            # A range, not an equality, so that the order can be had from the index of requests alone.
            here = self._free().filter(topic=topic, partition__range=(partition, partition)).order_by(*_ORDER)
            rows = here.values_list("id", "key")[: limit - len(found)]
            # The drivers have views of bytes, and bytes.
            found += [ReplayRequest(id, (topic, partition), None if key is None else bytes(key)) for id, key in rows]
            if len(found) == limit:
                break
        return found

    def take(self, request: ReplayRequest) -> DeadLetter | None:
        """The dead letter, leased to the caller; None if it was settled or taken meanwhile."""
        # Of its own each time: a lane that was given up must not settle what another has taken since.
        holder = name_a_holder()
        if not self._free().filter(pk=request.id).update(leased_until=Now() + LEASE, lease_holder=holder):
            return None
        return self._letters.filter(pk=request.id, lease_holder=holder).first()

    def kept(self, letter: DeadLetter) -> Heartbeat:
        """Keeps a dead letter that was taken leased inside the ``with``; what lasts less needs no query for it."""
        return Heartbeat(
            lambda: bool(self._held(letter).update(leased_until=Now() + LEASE)),
            seconds=LEASE.total_seconds() / RENEWALS_PER_LEASE,
            database=self._database,
            what=repr(letter),
        )

    def settle(self, letter: DeadLetter, state: DeadLetter.State, **changes: Any) -> None:
        """End the lease with this state; ``LeaseLostError`` if it was lost, so that the caller's work rolls back."""
        if state != DeadLetter.State.PARKED:
            changes["settled_at"] = Now()
        if not self._held(letter).update(state=state, leased_until=None, lease_holder="", **changes):
            raise LeaseLostError(f"the replay of {letter} took too long and was given to another worker")

    def postpone(self, letter: DeadLetter, seconds: float) -> None:
        """Give the dead letter back, to be taken again after ``seconds``."""
        until = Now() + timedelta(seconds=seconds) if seconds else None
        self._held(letter).update(leased_until=until, lease_holder="")

    def _first(self, requests: QuerySet[DeadLetter]) -> Place | None:
        return requests.order_by(*_ORDER).values_list("topic", "partition").first()

    def _free(self) -> QuerySet[DeadLetter]:
        return self._letters.filter(
            Q(leased_until=None) | Q(leased_until__lt=Now()), group=self._group, state=DeadLetter.State.REPLAY
        ).exclude(consumer__in=self._others)

    def _held(self, letter: DeadLetter) -> QuerySet[DeadLetter]:
        return self._letters.filter(pk=letter.pk, state=DeadLetter.State.REPLAY, lease_holder=letter.lease_holder)

"""The outboxes: what waits in each and who relays it, and how fast it goes by what was noted a minute ago."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db import Error as DatabaseLayerError
from django.db import router
from django.utils import timezone

from ..cells import NONE, count
from ..conf.settings import Settings
from ..durations import spoken
from ..models import LagSample, OutboxMessage
from ..outbox.backlog import Backlog, find_backlog
from ..outbox.databases import find_outboxes
from ..tables import has_table
from .columns import aligned

NOTED_AS = ""
"""All of them are noted together, as a group of this name: no consumer's can have it."""
YOUNGEST, OLDEST = timedelta(seconds=60), timedelta(seconds=180)
"""How old the note may be by which it is told how fast an outbox goes: the youngest of these."""
HEAD = ("DATABASE", "WAITING", "OLDEST", "REFUSED", "IN/S", "OUT/S", "RELAY")


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Messages a second, about: by ids, of which some are never used."""

    incoming: float
    outgoing: float


@dataclass(frozen=True, kw_only=True)
class Outbox:
    """One database's; without ``backlog`` it has no table of one. ``flow`` is None where nobody noted how it was."""

    alias: str
    backlog: Backlog | None = None
    waiting: int = 0
    """Without those that were refused."""
    flow: Flow | None = None


def look_at_outboxes(settings: Settings, *, most_counted: int | None = None) -> list[Outbox]:
    """One for each database in which something may be published; rows are counted up to one more than that."""
    past = _noted()
    return [_look_at(alias, most_counted, past) for alias in find_outboxes(settings)]


def positions(settings: Settings) -> dict[str, dict[str, list[int]]]:
    """Where each is now, as a ``LagSample`` keeps it; one that can't be asked, or doesn't tell, is left out."""
    found = {}
    for alias in find_outboxes(settings):
        try:
            backlog = find_backlog(alias) if has_table(alias, OutboxMessage) else None
        except DatabaseLayerError:
            continue
        if backlog is not None and backlog.next_id is not None and backlog.last_id is not None:
            found[alias] = {"0": [backlog.next_id, backlog.next_id, backlog.last_id]}
    return found


def as_json(outboxes: Iterable[Outbox]) -> str:
    """One document for programs: a list."""
    return json.dumps([_document(outbox) for outbox in outboxes], indent=2)


def as_lines(outboxes: Iterable[Outbox]) -> list[str]:
    """Lines for people."""
    rows = [_row(outbox) for outbox in outboxes]
    return aligned([HEAD, *rows], right=(1, 2, 3, 4, 5)) if rows else ["No database has an outbox."]


def _look_at(alias: str, most_counted: int | None, past: tuple[Mapping[str, list[int]], float]) -> Outbox:
    if not has_table(alias, OutboxMessage):
        return Outbox(alias=alias)
    backlog, rows = find_backlog(alias), OutboxMessage.objects.using(alias).order_by().values("pk")
    if most_counted is not None:
        rows = rows[: most_counted + 1 + backlog.refused]
    waiting = max(0, rows.count() - backlog.refused)
    return Outbox(alias=alias, backlog=backlog, waiting=waiting, flow=_flow(backlog, *past))


def _flow(backlog: Backlog, noted: Mapping[str, list[int]], seconds: float) -> Flow | None:
    if backlog.alias not in noted or backlog.next_id is None or backlog.last_id is None:
        return None
    _, next_id, last_id = noted[backlog.alias]
    if backlog.last_id < last_id:
        # Ids begin anew in a database that was set back, and where only rows tell, the newest may be gone.
        return None
    # A transaction that took long commits what has a lower id.
    incoming, outgoing = backlog.last_id - last_id, max(0, backlog.next_id - next_id)
    return Flow(incoming=round(incoming / seconds, 2), outgoing=round(outgoing / seconds, 2))


def _noted() -> tuple[Mapping[str, list[int]], float]:
    """What was noted of each, and how many seconds ago."""
    now = timezone.now()
    if not has_table(router.db_for_read(LagSample), LagSample):
        return {}, 0.0
    rows = LagSample.objects.filter(group=NOTED_AS, at__lte=now - YOUNGEST, at__gte=now - OLDEST)
    sample = rows.filter(positions__isnull=False).order_by("-at").first()
    if sample is None or sample.positions is None:
        return {}, 0.0
    return {alias: numbers["0"] for alias, numbers in sample.positions.items()}, (now - sample.at).total_seconds()


def _document(outbox: Outbox) -> dict[str, object]:
    backlog, flow = outbox.backlog, outbox.flow
    return {
        "database": outbox.alias,
        "waiting": None if backlog is None else outbox.waiting,
        "oldest_seconds": None if backlog is None else backlog.oldest_seconds,
        "refused": None if backlog is None else backlog.refused,
        "in_per_second": None if flow is None else flow.incoming,
        "out_per_second": None if flow is None else flow.outgoing,
        "relay": None if backlog is None else backlog.holder or None,
    }


def _row(outbox: Outbox) -> tuple[str, ...]:
    backlog, flow = outbox.backlog, outbox.flow
    if backlog is None:
        return outbox.alias, *(NONE,) * 5, f"no table: manage.py migrate --database {outbox.alias}"
    rates = [count(rate, decimals=1) for rate in ((None, None) if flow is None else (flow.incoming, flow.outgoing))]
    oldest = NONE if backlog.oldest_seconds is None else spoken(backlog.oldest_seconds)
    relay = backlog.holder or "none runs: start one with manage.py runrelay"
    return outbox.alias, count(outbox.waiting), oldest, count(backlog.refused), *rates, relay

"""Each outbox as the overview shows it, with the relay that empties it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....conf.settings import Settings
from ....models import OutboxMessage, Process
from ....operating.presence.listing import ProcessView
from ....outbox.backlog import Backlog, find_backlog
from ....outbox.databases import find_outboxes
from ....tables import has_table
from ...bounded import MOST_COUNTED, AtLeast

LONG_SECONDS = 60.0
"""A relay that works takes a row within a tenth of a second."""


@dataclass(frozen=True, kw_only=True)
class RelayLine:
    """The outbox of one database; without a backlog it has no table of them."""

    alias: str
    backlog: Backlog | None = None
    waiting: int = 0

    @property
    def is_late(self) -> bool:
        """Whether messages wait for long although a relay runs."""
        seconds = self.backlog.oldest_seconds if self.backlog and self.backlog.holder else None
        return seconds is not None and seconds >= LONG_SECONDS


def relay_lines(settings: Settings) -> list[RelayLine]:
    """One for each database in which something may be published."""
    return [_line(alias) for alias in find_outboxes(settings)]


def count_relays(processes: Sequence[ProcessView]) -> int:
    """How many processes of relays run, as far as they write that down."""
    return sum(process.kind == Process.Kind.RELAY and not process.is_lost for process in processes)


def _line(alias: str) -> RelayLine:
    if not has_table(alias, OutboxMessage):
        return RelayLine(alias=alias)
    waiting = OutboxMessage.objects.using(alias).order_by().values("pk")[: MOST_COUNTED + 1].count()
    counted = waiting if waiting <= MOST_COUNTED else AtLeast(MOST_COUNTED)
    return RelayLine(alias=alias, backlog=find_backlog(alias), waiting=counted)

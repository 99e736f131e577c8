"""Each outbox as the overview shows it, with the relay that empties it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....conf.settings import Settings
from ....models import Process
from ....operating.outboxes import Flow, Outbox, look_at_outboxes
from ....operating.presence.listing import ProcessView
from ....outbox.backlog import Backlog
from ...bounded import MOST_COUNTED, AtLeast

LONG_SECONDS = 60.0
"""A relay that works takes a row within a tenth of a second."""


@dataclass(frozen=True, kw_only=True)
class RelayLine:
    """The outbox of one database; without a backlog it has no table of them."""

    alias: str
    backlog: Backlog | None = None
    waiting: int = 0
    flow: Flow | None = None

    @property
    def is_late(self) -> bool:
        """Whether messages wait for long although a relay runs."""
        seconds = self.backlog.oldest_seconds if self.backlog and self.backlog.holder else None
        return seconds is not None and seconds >= LONG_SECONDS


def relay_lines(settings: Settings) -> list[RelayLine]:
    """One for each database in which something may be published."""
    return [_line(outbox) for outbox in look_at_outboxes(settings, most_counted=MOST_COUNTED)]


def count_relays(processes: Sequence[ProcessView]) -> int:
    """How many processes of relays run, as far as they write that down."""
    return sum(process.kind == Process.Kind.RELAY and not process.is_lost for process in processes)


def _line(outbox: Outbox) -> RelayLine:
    waiting = outbox.waiting if outbox.waiting <= MOST_COUNTED else AtLeast(MOST_COUNTED)
    return RelayLine(alias=outbox.alias, backlog=outbox.backlog, waiting=waiting, flow=outbox.flow)

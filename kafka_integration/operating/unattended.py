"""What should be done and nobody does: consumers that no process runs, outboxes that no relay empties."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db import Error as DatabaseLayerError

from ..conf.settings import Settings
from ..durations import spoken
from ..models import OutboxMessage
from ..outbox.backlog import find_backlog
from ..outbox.databases import find_outboxes
from ..summaries import escaped, summarize
from ..tables import has_table
from .presence.listing import ProcessView, consumers_of


def missing_consumers(settings: Settings, processes: Sequence[ProcessView]) -> list[str]:
    """Those that should run, and that none of these processes runs."""
    running = consumers_of(process for process in processes if not process.is_lost)
    return [each.name for each in settings.consumers.values() if each.enabled and each.name not in running]


def as_lines(settings: Settings, processes: Sequence[ProcessView]) -> Iterator[str]:
    """Lines for people, below a list of these processes; none where all is well."""
    if settings.operations.rows:
        for name in missing_consumers(settings, processes):
            yield escaped(f"No process runs consumer {name}: start one with manage.py runconsumer {name}.")
    else:
        yield (
            'KAFKA["operations"]["rows"] is False in these settings: processes with the same settings write nothing, '
            "and don't show here."
        )
    for alias in find_outboxes(settings):
        yield from _outbox_lines(alias)


def _outbox_lines(alias: str) -> Iterator[str]:
    try:
        backlog = find_backlog(alias) if has_table(alias, OutboxMessage) else None
    except DatabaseLayerError as error:
        yield f"Whether a relay runs on database {alias} can't be seen: {summarize(error)}"
        return
    if backlog is not None and backlog.is_unattended:
        yield (
            f"Messages published in database {alias} wait for {spoken(backlog.oldest_seconds or 0)}, and no relay "
            "runs: start one with manage.py runrelay."
        )

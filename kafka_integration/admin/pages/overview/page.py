"""What runs and what doesn't: the first page that an operator opens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.db import router
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ....conf import get_settings
from ....conf.settings import Settings
from ....models import LagSample, Process
from ....operating.groups.history import HistoryPoint, history_of
from ....operating.groups.losses import Sight, last_sights
from ....operating.presence.listing import ProcessView, list_processes
from ....operating.presence.row import database_of_processes
from ....tables import has_table
from ...links import has_permission
from ...moments import moment_element
from ..charts import Point, sparkline
from ..page import Page
from .consumers import ConsumerLine, consumer_lines
from .letters import WaitingLetters, waiting_letters
from .needs import Need, Urgency, find_needs
from .relays import count_relays, relay_lines

CHART_WIDTH, CHART_HEIGHT, CHART_ROWS = 90, 20, 12

GROUP = {Urgency.DELETED, Urgency.SOON_DELETED, Urgency.STUCK, Urgency.OUTAGE, Urgency.FALLING_BEHIND}
OUTBOX = {Urgency.LATE, Urgency.UNATTENDED}
PROCESSES = {Urgency.NOBODY_RUNS_IT, Urgency.LOST, Urgency.PAUSED}


class OverviewPage(Page):
    name = "overview"
    title = _("Overview")
    live_template = "admin/kafka_integration/pages/overview.html"

    def context(self) -> dict[str, Any]:
        settings = get_settings()
        processes = _processes(settings)
        histories, sights = _seen(settings)
        consumers = consumer_lines(settings, processes, histories)
        relays, letters = relay_lines(settings), waiting_letters()
        # All groups have the same minutes.
        history = next((line.history for line in consumers if line.history), ())
        labels = [moment_element(point.at) for point in history]
        needs = find_needs(consumers, relays, processes or (), letters, sights)
        return {
            "needs": [(need, self._url_for(need), [*self._ways_to(need)]) for need in needs],
            "consumers": [self._row(line, letters, labels) for line in consumers],
            "relays": [(line, self._list("outboxmessage", database=line.alias)) for line in relays],
            "relay_processes": count_relays(processes or ()),
            "are_processes_known": processes is not None,
            "are_rows_written": settings.operations.rows,
            "database_of_processes": database_of_processes(),
        }

    def _row(self, line: ConsumerLine, letters: Mapping[str, WaitingLetters], labels: Sequence[str]) -> dict[str, Any]:
        found = letters.get(line.database or "")
        return {
            "line": line,
            "url": self.url_of("group", group=line.group),
            "chart": _chart(line, labels),
            "dead_letters": found.of(line.name) if found else None,
            "dead_letters_url": self._list("deadletter", consumer=line.name, database=line.database or ""),
        }

    def _url_for(self, need: Need) -> str:
        if need.urgency in GROUP:
            return self.url_of("group", group=need.group)
        if need.urgency in PROCESSES:
            return self.url_of("processes")
        if need.urgency == Urgency.DEAD_LETTERS:
            return self._list("deadletter", consumer=need.consumer, database=need.database)
        if need.urgency == Urgency.REFUSED:
            return self._list("outboxmessage", refused_at__isempty="0", database=need.database)
        return self._list("outboxmessage", database=need.database) if need.urgency in OUTBOX else ""

    def _ways_to(self, need: Need) -> Iterator[tuple[str, str]]:
        """What is stuck, and what its processes do."""
        for each in need.stuck:
            if each.stuck_offset is not None and (url := self.url_of("messages", topic=each.topic)):
                asked = urlencode({"partition": each.partition, "start": each.stuck_offset})
                yield f"{gettext('Message')} {each.coordinates}", f"{url}?{asked}"
        for process_id in sorted({each.process_id for each in need.stuck}):
            yield (
                gettext("What process %(id)s does") % {"id": process_id},
                f"{self.url_of('processes')}#process-{process_id}",
            )

    def _list(self, model_name: str, **asked: str) -> str:
        """A list of rows, for those who may see it."""
        may_see = has_permission(self.request, f"view_{model_name}")
        url = self.url_of(f"{model_name}_changelist") if may_see else ""
        return f"{url}?{urlencode(asked)}" if url else ""


def _chart(line: ConsumerLine, labels: Sequence[str]) -> SafeString:
    points = [Point(label=label, value=each.lag) for label, each in zip(labels, line.history, strict=False)]
    title = gettext("Lag of %(name)s in the last hour") % {"name": line.name}
    return sparkline(points, title=title, width=CHART_WIDTH, height=CHART_HEIGHT, rows=CHART_ROWS)


def _seen(settings: Settings) -> tuple[dict[str, list[HistoryPoint]], dict[str, Sight]]:
    """How far groups were behind in the last hour, and what they have lost or soon will."""
    groups = {consumer.consumer_group for consumer in settings.consumers.values()}
    if not groups or not has_table(router.db_for_read(LagSample), LagSample):
        return {}, {}
    return history_of(groups, "hour"), last_sights(groups)


def _processes(settings: Settings) -> Sequence[ProcessView] | None:
    """All that have said something; None where they say nothing, or not there."""
    is_known = settings.operations.rows and has_table(database_of_processes(), Process)
    return list_processes(settings.operations) if is_known else None

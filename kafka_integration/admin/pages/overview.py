"""What runs and what doesn't: the first page that an operator opens."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from ...conf import get_settings
from ...models import OutboxMessage
from ...outbox.backlog import Backlog, find_backlog
from ...outbox.databases import find_outboxes
from ...tables import has_table
from .page import Page


class OverviewPage(Page):
    name = "overview"
    title = _("Overview")
    live_template = "admin/kafka_integration/pages/overview.html"

    def context(self) -> dict[str, Any]:
        settings = get_settings()
        return {
            "consumers": sorted(settings.consumers.values(), key=lambda consumer: consumer.name),
            "outboxes": [(alias, _backlog(alias)) for alias in find_outboxes(settings)],
        }


def _backlog(alias: str) -> Backlog | None:
    return find_backlog(alias) if has_table(alias, OutboxMessage) else None

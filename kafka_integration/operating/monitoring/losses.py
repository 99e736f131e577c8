"""What groups of the settings have lost, as whoever looks at them notes it: also of groups that nobody runs."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connections, router

from ...conf import get_settings
from ...models import LagSample
from ...observing.families import GROUP_LOST_MESSAGES, Sample
from ...tables import has_table
from ..groups.losses import lost_by_topic
from .asking import Question


def question_of_losses() -> Question:
    """Asked by each process that is monitored, with one query."""
    return Question(subject="what was deleted before a group handled it", ask=_look)


def _look() -> Iterator[Sample]:
    groups = {consumer.consumer_group for consumer in get_settings().consumers.values()}
    alias = router.db_for_read(LagSample)
    try:
        lost = lost_by_topic(groups) if has_table(alias, LagSample) else {}
    finally:
        connections[alias].close()
    for (group, topic), count in lost.items():
        yield GROUP_LOST_MESSAGES.of(group, topic, value=count)

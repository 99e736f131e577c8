"""What groups of the settings have lost, and soon will, as who looks at them notes it: also of those nobody runs."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connections, router

from ...conf import get_settings
from ...models import LagSample
from ...observing.families import GROUP_LOSS_SECONDS, GROUP_LOST_MESSAGES, Sample
from ...tables import has_table
from ..groups.losses import last_sights
from .asking import Question


def question_of_losses() -> Question:
    """Asked by each process that is monitored, with one query."""
    return Question(subject="what was deleted before a group handled it", ask=_look)


def _look() -> Iterator[Sample]:
    groups = {consumer.consumer_group for consumer in get_settings().consumers.values()}
    alias = router.db_for_read(LagSample)
    try:
        sights = last_sights(groups) if has_table(alias, LagSample) else {}
    finally:
        connections[alias].close()
    for group, sight in sights.items():
        for topic, count in sight.lost_by_topic.items():
            yield GROUP_LOST_MESSAGES.of(group, topic, value=count)
        if sight.near_loss_in_seconds is not None:
            yield GROUP_LOSS_SECONDS.of(group, value=sight.near_loss_in_seconds)

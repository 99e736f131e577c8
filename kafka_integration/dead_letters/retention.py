"""Forgetting what has been kept long enough: settled dead letters, and messages remembered to recognise repeats."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from typing import Any

from django.db import Error as DatabaseLayerError
from django.db import connections, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from ..conf.consumers import ConsumerSettings
from ..conf.settings import Settings
from ..models import DeadLetter, HandledMessage
from ..summaries import summarize

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 3600.0
SETTLED = (DeadLetter.State.HANDLED, DeadLetter.State.DISCARDED)
PAGE = 1000

# What PostgreSQL knows of a table may be that it is empty, as it was when it last looked. A walk along any index, a
# whole scan and a sort are the same to it then, and it reads all that stays. So the walk in the order of the column is
# all that is left to it, and what was found is deleted where it lies, which needs no index. FOR UPDATE, as somebody may
# just have asked for a replay.
KEEP_TO_ORDER = """\
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('enable_sort', 'off', true), set_config('jit', 'off', true)
"""
SETTLED_PAGE = """\
DELETE FROM kafka_integration_deadletter WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM kafka_integration_deadletter
    WHERE settled_at < statement_timestamp() - %(days)s * interval '1 day' AND state NOT IN ('parked', 'replay')
    ORDER BY settled_at LIMIT %(limit)s FOR UPDATE
))
"""
HANDLED_PAGE = """\
DELETE FROM kafka_integration_handledmessage WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM kafka_integration_handledmessage
    WHERE handled_at < statement_timestamp() - %(days)s * interval '1 day'
    ORDER BY handled_at LIMIT %(limit)s FOR UPDATE
))
"""


class Retention:
    """Deletes a page now and then, between a lane's messages, so that no table needs a job of its own.

    Dead letters that nobody has settled are never deleted. Any lane may call it; one of them does the work.
    """

    def __init__(
        self, consumer: ConsumerSettings, settings: Settings, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._consumer = consumer
        self._dead_letter_days = settings.dead_letter_retention_days
        self._deduplication_days = settings.deduplication_retention_days if consumer.deduplicate else None
        self._clock = clock
        # Many consumers that start together need not look together.
        self._due_at = clock() + random.uniform(0.1, 1) * INTERVAL_SECONDS
        self._lock = threading.Lock()

    def keep_if_due(self) -> None:
        """Delete a page of what is too old, once an hour; sooner while there is more."""
        if self._clock() < self._due_at or not self._lock.acquire(blocking=False):
            return
        try:
            self._due_at = self._clock() + INTERVAL_SECONDS
            if self._delete() >= PAGE:
                self._due_at = self._clock() + 1.0
        except DatabaseLayerError as error:
            logger.warning("consumer %s: old rows are not deleted now: %s", self._consumer.name, summarize(error))
        finally:
            self._lock.release()

    def _delete(self) -> int:
        most = 0
        if self._dead_letter_days is not None:
            most = delete_settled(self._consumer.database, self._dead_letter_days, PAGE)
        if self._deduplication_days is not None:
            most = max(most, delete_handled(self._consumer.database, self._deduplication_days, PAGE))
        return most


def delete_settled(database: str, days: float, limit: int) -> int:
    """Delete dead letters that were handled or discarded more than so many days ago; how many were deleted."""
    if connections[database].vendor == "postgresql":
        return _delete_where_they_lie(database, SETTLED_PAGE, days, limit)
    # Not the states that it may have: by these SQLite would go, and read all that are not old yet.
    others = [state for state in DeadLetter.State if state not in SETTLED]
    settled = DeadLetter.objects.using(database).exclude(state__in=others)
    return _delete_page(settled, "settled_at", days, limit)


def delete_handled(database: str, days: float, limit: int) -> int:
    """Forget messages that were handled more than so many days ago; how many were forgotten."""
    if connections[database].vendor == "postgresql":
        return _delete_where_they_lie(database, HANDLED_PAGE, days, limit)
    return _delete_page(HandledMessage.objects.using(database), "handled_at", days, limit)


def _delete_where_they_lie(database: str, statement: str, days: float, limit: int) -> int:
    with transaction.atomic(database), connections[database].cursor() as cursor:
        cursor.execute(KEEP_TO_ORDER)
        cursor.execute(statement, {"days": days, "limit": limit})
        return int(cursor.rowcount)


def _delete_page(rows: QuerySet[Any], since: str, days: float, limit: int) -> int:
    # In the order of the column's index, and then by key: whatever the statistics say, nothing but the page is read.
    old = rows.filter(**{f"{since}__lt": Now() - timedelta(days=days)}).order_by(since)
    ids = list(old.values_list("pk", flat=True)[:limit])
    # Without signals or cascades: there is nothing to tell, and nothing points here.
    return rows.order_by().filter(pk__in=ids)._raw_delete(rows.db) if ids else 0

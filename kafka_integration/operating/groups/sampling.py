"""A look at how far the groups of the settings are behind, and the outboxes, by one process of all that run."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from time import monotonic

from django.db import DatabaseError, router
from django.utils import timezone

from ...conf.settings import Settings
from ...models import LagSample
from ...tables import has_table
from ..outboxes import NOTED_AS, positions
from .forecast import look_ahead_of_all
from .history import begin_sample, end_sample, taken_at, thin_out
from .lag import GroupLag, compute_lags

THIN_SECONDS = 600.0


class Sampling:
    """Who inserts the row of a moment first is the one who looks at the group then."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._groups = sorted({c.consumer_group for c in settings.consumers.values() if c.enabled})
        # Many processes that start together need not delete together.
        self._thin_at = monotonic() + random.uniform(0.1, 1) * THIN_SECONDS

    def turn(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Look at the groups at which nobody else does, and thin out what was seen before where it is time for it."""
        if not has_table(router.db_for_write(LagSample), LagSample):
            return
        taken = taken_at([*self._groups, NOTED_AS], timezone.now())
        if NOTED_AS not in taken and (sample := begin_sample(NOTED_AS, timezone.now())) is not None:
            LagSample.objects.filter(pk=sample.pk).update(positions=positions(self._settings))
        if not is_over():
            self._look_at([group for group in self._groups if group not in taken])
        if monotonic() >= self._thin_at:
            self._thin_at = monotonic() + THIN_SECONDS
            thin_out(history_days=self._settings.operations.history_days)

    def _look_at(self, groups: Iterable[str]) -> None:
        begun = {group: begin_sample(group, timezone.now()) for group in groups}
        ours = {group: sample for group, sample in begun.items() if sample is not None}
        # Members are not noted, and a question about them that gets no answer in time may end this process, which
        # handles messages (librdkafka's issue 4605, open as of 2.16).
        found = compute_lags(self._settings, ours, asks_members=False) if ours else {}
        # The row of one that isn't known says so.
        known = [lag for lag in found.values() if isinstance(lag, GroupLag)]
        outlooks = look_ahead_of_all(known)
        for lag in known:
            end_sample(ours[lag.group], lag, loss_in_seconds=outlooks[lag.group].near_loss_in_seconds)
        if trouble := next((lag for lag in found.values() if isinstance(lag, DatabaseError)), None):
            raise trouble

"""A thread that has a process look from time to time how far groups are behind; nothing else waits for it."""

from __future__ import annotations

import logging
import math
import random
import threading
from time import time
from typing import TYPE_CHECKING, Self

from django.db import connections, reset_queries

from ..conf.settings import Settings
from ..summaries import summarize

if TYPE_CHECKING:
    from .groups.sampling import Sampling

logger = logging.getLogger(__name__)

EVERY_SECONDS = 15.0
LAST_LOOK_SECONDS = 1.0


class LagSampler:
    """Looks as long as its context lasts. Never raises; with ``"rows": False`` it does nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._over = threading.Event()
        self._is_failing = False
        # A daemon: with a broker that doesn't answer it must not keep the process.
        self._thread = threading.Thread(target=self._run, name="lag-history", daemon=True)

    def __enter__(self) -> Self:
        if self._settings.operations.rows:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(LAST_LOOK_SECONDS)

    def _run(self) -> None:
        sampling: Sampling | None = None
        try:
            while not self._over.wait(_seconds_to_the_next_look(time())):
                # Not at the top: loading this would take its time before the first message.
                from .groups.sampling import Sampling

                sampling = sampling or Sampling(self._settings)
                self._try_a_turn(sampling)
        finally:
            connections.close_all()

    def _try_a_turn(self, sampling: Sampling) -> None:
        try:
            sampling.turn(self._over.is_set)
            self._is_failing = False
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no reason to disturb consumers or relays
            if not self._is_failing:
                self._is_failing = True
                logger.warning(
                    "how far groups are behind can't be noted in the database now; all else goes on: %s",
                    summarize(error),
                )
            connections.close_all()
        # With DEBUG Django keeps every query of a connection, for a request that never ends here.
        reset_queries()


def _seconds_to_the_next_look(now: float) -> float:
    """Not at once, and soon after a moment begins: a sample says that it was looked at when its moment began.

    Many processes don't look together: what the first of them takes, the others leave.
    """
    begins = math.ceil(now / EVERY_SECONDS + 0.5) * EVERY_SECONDS
    return begins - now + random.uniform(0, 0.1) * EVERY_SECONDS

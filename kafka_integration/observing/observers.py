"""Telling facts to whoever listens: the log, the counts, the project's receivers, a test."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..summaries import summarize
from .facts import Fact

logger = logging.getLogger(__name__)

Observer = Callable[[Fact], None]
"""Called by any lane and the loop, in the thread that tells; so it should be quick."""


class Observers:
    """Those who are told of one consumer; one that raises disturbs neither the consumer nor the others."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def tell(self, fact: Fact) -> None:
        """Never raises, but for what ends the process."""
        for observer in self._observers:
            try:
                observer(fact)
            except Exception as error:  # noqa: BLE001 - whatever it is, the message has come to where it is
                logger.error("%r failed to take in a %s: %s", observer, type(fact).__name__, summarize(error))

"""Telling facts to whoever listens: the log, the counts, the project's receivers, a test."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..summaries import summarize
from .facts import Fact

logger = logging.getLogger(__name__)

Observer = Callable[[Fact], None]
"""Called by any lane and the loop, in the thread that tells; so it should be quick.

What it has no use for it may name in ``ignores``, a set of classes: by key nearly each message is told of.
"""


class Observers:
    """Those who are told of one consumer; one that raises disturbs neither the consumer nor the others."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers
        self._hearing: dict[type[Fact], tuple[Observer, ...]] = {}

    def tell(self, fact: Fact) -> None:
        """Never raises, but for what ends the process."""
        for observer in self._hearing.get(type(fact)) or self._hearing_of(type(fact)):
            try:
                observer(fact)
            except Exception as error:  # noqa: BLE001 - whatever it is, the message has come to where it is
                logger.error("%r failed to take in a %s: %s", observer, type(fact).__name__, summarize(error))

    def _hearing_of(self, kind: type[Fact]) -> tuple[Observer, ...]:
        hearing = tuple(each for each in self._observers if kind not in getattr(each, "ignores", ()))
        self._hearing[kind] = hearing
        return hearing

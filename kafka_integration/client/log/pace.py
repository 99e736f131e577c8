"""How long brokers take for an answer, by the statistics of a client that asks them anyway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .silent_brokers import DEFAULT_FETCH_WAIT_MS


class Pace:
    """Of the brokers of one client; ``answer_seconds`` is 0 before the first answer."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        # A fetch that finds nothing is answered when this is over.
        self._fetch_wait_seconds = float(properties.get("fetch.wait.max.ms", DEFAULT_FETCH_WAIT_MS)) / 1000
        self.answer_seconds = 0.0

    def note(self, brokers: Iterable[Mapping[str, Any]]) -> None:
        """Look at the ``brokers`` of librdkafka's statistics."""
        # Of each broker the quickest answer: one that is slow to one question may have reasons. A group's coordinator
        # lets a member wait for the others.
        quickest = [b["rtt"]["min"] for b in brokers if b.get("source") != "logical" and b.get("rtt", {}).get("cnt")]
        if quickest:
            self.answer_seconds = max(0.0, max(quickest) / 1_000_000 - self._fetch_wait_seconds)

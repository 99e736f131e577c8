"""A client that knows no broker any more, and won't find one unless it is told where.

A cluster that comes back may say that it has no brokers. librdkafka then gives up those that it had, and goes back to
the bootstrap servers at once; unless that is called off by the end of that very answer, or a message that nobody will
read still refers to a broker (librdkafka's issue 5301, open as of 2.16).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

STRANDED_SECONDS = 4.5
"""From one look at the statistics to the next: whoever wants a broker tries one every second."""


class Stranding:
    """One client's, by its statistics; ``is_certain`` from when there was time to try a broker until it was helped."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._began_at: float | None = None
        self.is_certain = False

    def saw_a_try(self) -> None:
        """A broker could not be reached: then one is looked for. Such a try is over too soon for the statistics."""
        self._began_at = None

    def was_helped(self) -> None:
        """It was told of brokers, and gets time to try them; or it found some by itself."""
        self._began_at, self.is_certain = None, False

    def note(self, statistics: Mapping[str, Any]) -> None:
        """Look at librdkafka's statistics, which come every few seconds."""
        if not _wants_a_broker(statistics) or _tries_one(statistics):
            self.was_helped()
        elif self._began_at is None:
            self._began_at = self._clock()
        else:
            self.is_certain = self.is_certain or self._clock() - self._began_at >= STRANDED_SECONDS


def _wants_a_broker(statistics: Mapping[str, Any]) -> bool:
    """A producer that has nothing to send may have no connection, and a member to which its group gives nothing."""
    if statistics.get("type") != "consumer":
        return bool(statistics.get("msg_cnt"))
    group = statistics.get("cgrp", {})
    has_enough = group.get("state") == "up" and group.get("join_state") == "steady"
    return not has_enough or bool(group.get("assignment_size"))


def _tries_one(statistics: Mapping[str, Any]) -> bool:
    """Whether one is connected, being connected or waited for; a group's coordinator is asked for nothing else."""
    brokers = statistics.get("brokers", {}).values()
    return any(broker.get("source") != "logical" and broker["state"] != "INIT" for broker in brokers)

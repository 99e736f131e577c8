"""Brokers that hold their connection and answer nothing: frozen, overloaded, or cut off without a word.

librdkafka reports none of it before a request has timed out, a minute later; its statistics show it sooner.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

logger = logging.getLogger("kafka_integration.client")

SILENT_SECONDS = 10.0
DEFAULT_FETCH_WAIT_MS = 500


class SilentBrokers:
    """Says once when a broker falls silent, and once when it answers again; one client's."""

    def __init__(self, name: str, properties: Mapping[str, Any]) -> None:
        self._name = name
        # A fetch that finds nothing is answered when this is over.
        self._limit_seconds = SILENT_SECONDS + float(properties.get("fetch.wait.max.ms", DEFAULT_FETCH_WAIT_MS)) / 1000
        self._silent: set[str] = set()

    def note(self, brokers: Iterable[Mapping[str, Any]]) -> None:
        """Look at the ``brokers`` of librdkafka's statistics."""
        for broker in brokers:
            # A group's coordinator lets a member wait for the others as long as that takes.
            if broker.get("source") != "logical":
                self._look_at(broker["nodename"], broker)

    def _look_at(self, address: str, broker: Mapping[str, Any]) -> None:
        seconds = broker.get("rxidle", -1) / 1_000_000
        waits = broker["state"] == "UP" and broker.get("waitresp_cnt", 0) > 0
        if not waits or seconds < self._limit_seconds:
            if address in self._silent:
                self._silent.discard(address)
                if broker["state"] == "UP":
                    logger.info("%s: %s answers again", self._name, address)
        elif address not in self._silent:
            self._silent.add(address)
            logger.warning(
                "%s: %s has answered nothing for %.0f s, though the connection stands: the broker is frozen or "
                "overloaded, or the network lost it. What it leads stands still until one answers.",
                self._name, address, seconds,
            )  # fmt: skip

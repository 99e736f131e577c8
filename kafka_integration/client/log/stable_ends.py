"""Where readers of committed messages have to stop: at the first offset of a transaction that is still open.

A transaction that nobody ends keeps everything behind it from them. librdkafka has nothing to say then: the partition
looks read to its end. Its statistics show the last stable offset beside the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldUp:
    """The last stable offset of a partition, what lies behind it, and since when it has stood there (monotonic)."""

    offset: int
    end: int
    since: float


class StableEnds:
    """The partitions of which an open transaction holds something up, as one client's statistics show them."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held_up: dict[tuple[str, int], HeldUp] = {}

    def get(self, coordinates: tuple[str, int]) -> HeldUp | None:
        return self._held_up.get(coordinates)

    def note(self, topics: Mapping[str, Mapping[str, Any]]) -> None:
        """Look at the ``topics`` of librdkafka's statistics."""
        now, before = self._clock(), self._held_up
        # Made anew: what isn't ours any more is forgotten.
        self._held_up = {}
        for topic, facts in topics.items():
            for number, partition in facts["partitions"].items():
                # Negative while unknown; the partition -1 is the client's own.
                stable, end = partition["ls_offset"], partition["hi_offset"]
                if 0 <= stable < end:
                    place = (topic, int(number))
                    known = before.get(place)
                    since = known.since if known is not None and known.offset == stable else now
                    self._held_up[place] = HeldUp(offset=stable, end=end, since=since)

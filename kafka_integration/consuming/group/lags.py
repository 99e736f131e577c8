"""How far partitions are behind, asked of the brokers: what the client knows of ends is old where it is paused."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from ...client.metadata.partition_ends import PartitionEnds, Place
from ...conf.connection import Connection
from ...errors import BrokerError
from ...local_times import spoken_moment
from ..partition import Partition


@dataclass(frozen=True, kw_only=True)
class Lag:
    """What is known of some partitions, and since when it isn't of the others."""

    known: Mapping[Place, int]
    """Messages that can still be read, from the lowest unfinished one on."""
    with_deleted: Mapping[Place, int]
    """The same with those that retention took since: what was fetched before may still be in hand."""
    unknown_since: Mapping[Place, datetime]

    def __bool__(self) -> bool:
        return bool(self.unknown_since) or any(self.known.values())

    def __str__(self) -> str:
        texts = [self._known_text()] if self.known or not self.unknown_since else []
        if self.unknown_since:
            since = min(self.unknown_since.values())
            places = ", ".join(f"{topic}[{number}]" for topic, number in sorted(self.unknown_since))
            texts.append(f"lag unknown since {spoken_moment(since)} for {places}")
        return ", ".join(texts)

    def _known_text(self) -> str:
        behind = {place: lag for place, lag in self.known.items() if lag}
        if not behind:
            return "no lag"
        (topic, number), most = max(behind.items(), key=lambda item: item[1])
        detail = "" if len(behind) == 1 else f" (most: {topic}[{number}] {most:,})"
        return f"lag {sum(behind.values()):,}{detail}"


class Lags:
    """Asks in a thread of its own, one question at a time; all else is done by one thread at a time."""

    def __init__(self, consumer: str, connection: Connection) -> None:
        self._consumer = consumer
        self._ends = PartitionEnds(connection)
        self._thread: threading.Thread | None = None
        self._answer: Mapping[Place, tuple[int, int]] = {}
        self._unknown_since: dict[Place, datetime] = {}

    @property
    def is_asking(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def ask(self, partitions: Iterable[Partition]) -> None:
        """Ask where they end; the answer is there once nothing ``is_asking`` any more."""
        self._answer = {}
        # A daemon: opening a client may take seconds, and nobody waits for it.
        self._thread = threading.Thread(
            target=self._ask, args=([p.key for p in partitions],), name=f"lag-{self._consumer}", daemon=True
        )
        self._thread.start()

    def read(self, partitions: Iterable[Partition]) -> Lag:
        """The lag of these by the last answer, of what it says nothing about unknown."""
        known, with_deleted, unknown = {}, {}, {}
        for partition in partitions:
            ends, position = self._answer.get(partition.key), partition.ledger.next_offset
            if ends is not None and position is not None:
                first, end = ends
                known[partition.key] = max(0, end - max(first, position))
                with_deleted[partition.key] = max(0, end - position)
            else:
                unknown[partition.key] = self._unknown_since.get(partition.key) or datetime.now().astimezone()
        self._unknown_since = unknown
        return Lag(known=known, with_deleted=with_deleted, unknown_since=unknown)

    def _ask(self, places: Sequence[Place]) -> None:
        with suppress(BrokerError):
            self._answer = self._ends.ask(places)

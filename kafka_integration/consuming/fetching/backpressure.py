"""How far the loop may run ahead of the lanes: memory stays bounded, whatever the backlog.

At most so many messages of a partition are taken beyond its floor, and ``MAX_HELD_BYTES`` of a consumer wait for
handlers (overshot by one fetch); of what librdkafka doesn't count ``MAX_HIDDEN_BYTES``, as it goes on fetching until it
is paused. A full partition is paused; pausing throws away what librdkafka has prefetched of it, so the loop first gives
the lanes a moment.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from time import monotonic

from ...client.consumer import ConsumerClient
from ...conf.consumers import ConsumerSettings
from ..ordering.stream import State
from ..partition import Partition

MAX_HELD_BYTES = 16 * 1024 * 1024
MAX_HIDDEN_BYTES = 4 * 1024 * 1024
LEAST_FETCHED_MESSAGES = 500
PATIENCE_SECONDS = 0.1
HIDDEN_PATIENCE_SECONDS = 0.01


def most_ahead(consumer: ConsumerSettings) -> int:
    """How many messages of a partition may be taken beyond its floor.

    In the partition's order all of them wait: enough that a lane never idles while the loop fetches.
    """
    in_order = consumer.ordering == "partition"
    return min(consumer.max_ahead, max(1000, 4 * consumer.batch_size)) if in_order else consumer.max_ahead


class Backpressure:
    """Pauses and resumes partitions, also those that were suspended.

    The loop thread's own, but for ``made_room``, which lanes call.
    """

    def __init__(self, *, most_ahead: int) -> None:
        self._most_ahead = most_ahead
        self._max_bytes = MAX_HELD_BYTES
        self._room = threading.Event()

    def made_room(self) -> None:
        # Asked first: to set it takes a lock, and shards make room with each message.
        if not self._room.is_set():
            self._room.set()

    def room(self, partitions: Iterable[Partition]) -> int:
        """How many messages to take at once: as many as the fullest partition may still hold, or a few hundred."""
        fullest = max((p.ahead for p in partitions if not p.is_paused), default=0)
        return max(LEAST_FETCHED_MESSAGES, self._most_ahead - fullest)

    def regulate(self, client: ConsumerClient, partitions: Iterable[Partition], *, is_hidden: bool = False) -> None:
        """Hold back what is full, let go on what has room again.

        What ``is_hidden`` from the client's own bounds is held back early, and soon.
        """
        self._max_bytes = MAX_HIDDEN_BYTES if is_hidden else MAX_HELD_BYTES
        active = [p for p in partitions if p.state is State.ACTIVE]
        self._pause(client, [p for p in active if p.line.is_suspended and not p.is_paused])
        if self._full(active):
            self._wait_for_room(active, HIDDEN_PATIENCE_SECONDS if is_hidden else PATIENCE_SECONDS)
            self._pause(client, self._full(active))
        self._resume(client, active)

    def _wait_for_room(self, active: list[Partition], patience_seconds: float) -> None:
        """The lanes are mostly just a little slower than Kafka; a partition in a backoff is not waited for."""
        deadline = monotonic() + patience_seconds
        while any(p.line.ready_at <= monotonic() for p in self._full(active)):
            self._room.clear()
            if not self._room.wait(deadline - monotonic()):
                return

    def _full(self, active: list[Partition]) -> list[Partition]:
        too_many_bytes = sum(p.line.held_bytes for p in active) >= self._max_bytes
        return [p for p in active if not p.is_paused and self._is_full(p, too_many_bytes)]

    def _is_full(self, partition: Partition, too_many_bytes: bool) -> bool:
        return partition.ahead >= self._most_ahead or (too_many_bytes and partition.line.held > 0)

    def _pause(self, client: ConsumerClient, full: list[Partition]) -> None:
        if full:
            client.pause(p.key for p in full)
            for partition in full:
                partition.pause()

    def _resume(self, client: ConsumerClient, active: list[Partition]) -> None:
        has_bytes_to_spare = sum(p.line.held_bytes for p in active) < self._max_bytes // 2
        most_held = self._most_ahead if has_bytes_to_spare else 0
        paused = [p for p in active if p.is_paused and not p.line.is_suspended]
        roomy = [p for p in paused if p.ahead <= self._most_ahead // 2 and p.line.held <= most_held]
        if roomy:
            client.resume(p.key for p in roomy)
            for partition in roomy:
                partition.resume()

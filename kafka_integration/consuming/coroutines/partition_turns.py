"""Whose turn it is where partitions are in order: those that have something to do, one chunk of each at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from math import inf
from time import monotonic

from ...message import Message
from ..lanes.work import Remainder
from ..ordering.chunk import Chunk
from ..ordering.line import Line
from ..partition import Partition

Hand = tuple[Line, Partition, Chunk]
"""What somebody has in hand: of this line, and what is to be done of it."""


class PartitionTurns:
    """The partitions in turn; one that waits for a backoff holds back no other.

    Whoever has it has a lock around each of its methods.
    """

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._partitions: list[Partition] = []
        self._queue: deque[Partition] = deque()
        """Those with something to do, the next one first."""
        self._queued: set[Partition] = set()
        """The same, and those in a backoff: each is in one of both, and once."""
        self._delayed: list[Partition] = []
        self._wakes_at = inf
        """When the first comes out of its backoff, or before."""
        self._held: set[Partition] = set()
        """Of these nothing further is begun for now."""

    def adopt(self, partition: Partition) -> None:
        self._partitions.append(partition)

    def let_go(self, partition: Partition) -> None:
        if partition in self._partitions:
            self._partitions.remove(partition)
        self._held.discard(partition)

    def put(self, partition: Partition, messages: Sequence[Message], size: int) -> int:
        """Queue messages of a partition; how many chunks of it are ready."""
        partition.line.put(messages, size)
        return int(self._enqueue(partition))

    def take(self) -> Hand | None:
        """What is to be done next, for whoever is free; None where nothing is ready."""
        now = monotonic()
        self._wake(now)
        while self._queue:
            partition = self._queue.popleft()
            line = partition.line
            if line.ready_at > now:
                self._delayed.append(partition)
                self._wakes_at = min(self._wakes_at, line.ready_at)
                continue
            self._queued.remove(partition)
            if self._may_begin(partition):
                return line, partition, line.take(partition.setbacks.at_most(self._batch_size))
        return None

    def give_back(self, hand: Hand, remainder: Remainder) -> int:
        """What is left of it waits for its turn, or for after a while; about how many bytes are done with."""
        line, partition, chunk = hand
        size = line.end(len(chunk.messages) - sum(len(rest.messages) for rest in remainder.chunks))
        if remainder.reclaim:
            line.fence(remainder.delay_seconds)
        elif chunk.messages:
            line.put_back(remainder.chunks, remainder.delay_seconds)
            self._enqueue(partition)
        else:
            self.release(partition)
        return size

    def leave(self, hand: Hand) -> None:
        """After a fault nothing more of the partition is begun; what it finished is still to be committed."""
        line = hand[0]
        line.end()
        line.stop()
        line.clear()

    def hold(self, partition: Partition, key_bytes: bytes | None) -> Hand | None:
        """The partition, for something besides its messages; None while it is in other hands, to be asked again.

        Nothing further of it is begun. Whoever asks no more says so (``release``). It has no keys of its own.
        """
        self._held.add(partition)
        if partition.line.is_busy:
            return None
        partition.line.begin()
        return partition.line, partition, Chunk(messages=[])

    def release(self, partition: Partition) -> None:
        self._held.discard(partition)
        self._enqueue(partition)

    def open(self, partition: Partition) -> None:
        """Forget what waits; the partition goes on with what comes next."""
        partition.line.open()

    def suspend(self, partition: Partition) -> None:
        """Begin nothing more of it for now."""
        partition.line.suspend()

    def resume(self, partition: Partition) -> int:
        """What was suspended goes on; how many chunks of it are ready."""
        partition.line.resume()
        return int(self._enqueue(partition))

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Forget what waits, and begin nothing more."""
        for partition in partitions:
            partition.line.stop()
            partition.line.clear()

    def halt(self) -> None:
        """Begin nothing more of any partition."""
        for partition in self._partitions:
            partition.line.stop()

    @property
    def due_at(self) -> float:
        """When somebody has to look again, though nothing comes and nothing ends."""
        return self._wakes_at

    @property
    def is_probing(self) -> bool:
        """No: an outage holds the partition that meets it, and each meets it by itself."""
        return False

    @property
    def ready(self) -> int:
        """How many partitions could be begun, at least one where there is any."""
        return len(self._queue)

    def _may_begin(self, partition: Partition) -> bool:
        line = partition.line
        return not (line.is_empty or line.is_busy) and partition not in self._held and partition.may_begin

    def _enqueue(self, partition: Partition) -> bool:
        if partition in self._queued or not self._may_begin(partition):
            return False
        self._queued.add(partition)
        self._queue.append(partition)
        return True

    def _wake(self, now: float) -> None:
        if now < self._wakes_at:
            return
        over = [partition for partition in self._delayed if partition.line.ready_at <= now]
        self._delayed = [partition for partition in self._delayed if partition.line.ready_at > now]
        self._queue.extend(over)
        self._wakes_at = min((partition.line.ready_at for partition in self._delayed), default=inf)

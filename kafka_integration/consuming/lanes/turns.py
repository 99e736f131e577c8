"""Whose turn it is: the shards of all partitions, those that are ready, and what an outage holds back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from math import inf
from time import monotonic

from ...message import Message
from ..ordering.chunk import Chunk
from ..ordering.shard import Shard
from ..ordering.shards import Shards
from ..partition import Partition
from .work import Remainder

Hand = tuple[Shards, Shard, Chunk]
"""What somebody has in hand: a shard of this line, and what is to be done of it."""


class Turns:
    """The oldest ready shard of each partition in turn; one that waits for a backoff holds back nobody else.

    Whoever has it has a lock around each of its methods.
    """

    def __init__(self) -> None:
        self._lines: list[Shards] = []
        self._queue: deque[Shards] = deque()
        """Lines with shards that are ready, each once, the next one first."""
        self._wakes_at = inf
        """When the first shard comes out of its backoff, or before."""
        self._probing: tuple[Shards, Shard] | None = None
        """The shard that tries for all whether an outage is over: until then no other is begun."""

    def adopt(self, partition: Partition) -> None:
        self._lines.append(shards_of(partition))

    def let_go(self, partition: Partition) -> None:
        if partition.line in self._lines:
            self._lines.remove(shards_of(partition))
        if self._probing is not None and self._probing[0] is partition.line:
            # A handler that still has it in hand may never return: the next one to meet the outage tries.
            self._probing = None

    def put(self, partition: Partition, messages: Sequence[Message], size: int) -> int:
        """Queue messages of a partition; how many of its shards are ready."""
        line = shards_of(partition)
        line.put(messages, size)
        self._enqueue(line)
        return line.ready

    def take(self) -> Hand | None:
        """What is to be done next, for whoever is free; None where nothing is ready."""
        now = monotonic()
        self._wake(now)
        if self.is_probing and self._probing is not None:
            line, _ = self._probing
            return line.take_probe() if line.probe_at <= now else None
        while self._queue:
            line = self._queue.popleft()
            if not line.ready or not line.may_begin:
                continue
            hand = line.take_shard()
            self._enqueue(line)
            return hand
        return None

    def hold(self, partition: Partition, key_bytes: bytes | None) -> Hand | None:
        """The shard of a key, for something besides its messages; None while it is in other hands, to be asked again.

        Whoever asks no more says so (``release``).
        """
        return shards_of(partition).hold(key_bytes)

    def release(self, partition: Partition) -> None:
        line = shards_of(partition)
        line.release()
        self._note(line)

    def give_back(self, hand: Hand, remainder: Remainder) -> int:
        """What is left of it waits for its turn, or for after a while; about how many bytes are done with."""
        line, shard, chunk = hand
        size = line.end_shard(shard, len(chunk.messages) - sum(len(rest.messages) for rest in remainder.chunks))
        if remainder.reclaim:
            line.fence(remainder.delay_seconds)
            return size
        is_probe = self._note_outage(line, shard, is_outage=remainder.is_outage)
        line.return_shard(shard, remainder.chunks, remainder.delay_seconds, is_probe=is_probe)
        self._note(line)
        return size

    def leave(self, hand: Hand) -> None:
        """After a fault nothing more of the partition is begun; what it finished is still to be committed."""
        line, shard, _ = hand
        line.end_shard(shard, 0)
        line.stop()
        line.clear()

    def open(self, partition: Partition) -> None:
        """Forget what waits; the partition goes on with what comes next."""
        partition.line.open()

    def suspend(self, partition: Partition) -> None:
        """Begin nothing more of it for now."""
        partition.line.suspend()

    def resume(self, partition: Partition) -> int:
        """What was suspended goes on; how many of its shards are ready."""
        line = shards_of(partition)
        # Before it may begin again: had its shard met an outage meanwhile, another one tries.
        self._forget_lost_probe()
        line.resume()
        self._note(line)
        return line.ready

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Forget what waits, and begin nothing more."""
        for partition in partitions:
            partition.line.stop()
            partition.line.clear()

    def halt(self) -> None:
        """Begin nothing more of any partition."""
        for line in self._lines:
            line.stop()

    @property
    def due_at(self) -> float:
        """When somebody has to look again, though nothing comes and nothing ends."""
        if self._probing is not None:
            return self._probing[0].probe_at
        return self._wakes_at

    @property
    def is_probing(self) -> bool:
        """Whether an outage is waited out."""
        self._forget_lost_probe()
        return self._probing is not None

    @property
    def ready(self) -> int:
        """How many shards could be begun."""
        return 0 if self.is_probing else sum(line.ready for line in self._queue)

    def _note(self, line: Shards) -> None:
        self._wakes_at = min(self._wakes_at, line.wakes_at)
        self._enqueue(line)

    def _enqueue(self, line: Shards) -> None:
        if line.ready and line not in self._queue:
            self._queue.append(line)

    def _wake(self, now: float) -> None:
        if now < self._wakes_at:
            return
        for line in self._lines:
            line.wake(now)
            self._enqueue(line)
        self._wakes_at = min((line.wakes_at for line in self._lines), default=inf)

    def _forget_lost_probe(self) -> None:
        if self._probing is None:
            return
        line, shard = self._probing
        if not line.is_in_hand(shard) and not (line.is_probe(shard) and line.may_begin):
            # It was taken away from us: the next one to meet the outage tries.
            self._probing = None

    def _note_outage(self, line: Shards, shard: Shard, *, is_outage: bool) -> bool:
        """Whether the shard is the one that tries for all: the first that met the outage."""
        is_probe = self._probing == (line, shard)
        if is_outage and (is_probe or not self.is_probing):
            self._probing = line, shard
            return True
        if is_probe:
            self._probing = None
        return False


def shards_of(partition: Partition) -> Shards:
    line = partition.line
    assert isinstance(line, Shards)
    return line

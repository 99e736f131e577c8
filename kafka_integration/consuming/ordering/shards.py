"""The shards of a partition: its messages by key, each key's in order, so that many are handled at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from time import monotonic
from typing import Literal

from ...message import Message
from .chunk import Chunk
from .line import Line
from .shard import Shard
from .stream import State, Stream

Ordering = Literal["partition", "key", "none"]

SHARD_BYTES = 460
"""What is around a message that waits alone in its shard."""
MOST_AT_ONCE = 32
"""Messages of one shard that a thread takes in hand: then others have their turn."""


class Shards(Line):
    """The line of a partition that is many: one for each key that waits. An empty one is forgotten.

    Which are ready is known without looking at any: they stand in a queue, and those in a backoff in a heap.
    """

    __slots__ = (
        *("_by_key", "_delayed", "_fenced_until", "_in_hand", "_numbers", "_ordering", "_partition", "_ready"),
        *("_kept", "_probe", "_wanted"),
    )

    def __init__(self, partition: Stream, ordering: Ordering) -> None:
        self._partition = partition
        self._ordering = ordering
        self._by_key: dict[bytes, Shard] = {}
        self._ready: deque[Shard] = deque()
        self._delayed: list[tuple[float, int, Shard]] = []
        self._numbers = count()
        self._in_hand: dict[Shard, float] = {}
        """Those of which something is done at the moment, by when that began, the oldest first."""
        self._probe: tuple[float, Shard] | None = None
        """The shard that tries for all whether an outage is over, and when; it is neither ready nor in a backoff."""
        self._wanted: Shard | None = None
        """The shard in hand that somebody needs next, for something besides its messages."""
        self._kept: Shard | None = None
        """The same, out of hand: nobody else begins it."""
        self._fenced_until = 0.0
        super().__init__()

    @property
    def ready_at(self) -> float:
        if self._ready or self._in_hand or not self._delayed:
            return self._fenced_until
        return max(self._delayed[0][0], self._fenced_until)

    @ready_at.setter
    def ready_at(self, at: float) -> None:
        self._fenced_until = at

    @property
    def is_empty(self) -> bool:
        return not (self._ready or self._delayed or self._probe or self._kept)

    @property
    def seconds_in_hand(self) -> float:
        now = monotonic()
        return sum(now - since for since in list(self._in_hand.values()))

    @property
    def may_begin(self) -> bool:
        """Whether anything of it may be begun."""
        return not self.is_suspended and self._keeps

    @property
    def _keeps(self) -> bool:
        """Whether what comes back is still to be handled: not while the partition begins anew."""
        return not self.is_stopping and self._partition.state is State.ACTIVE

    @property
    def is_in_outage(self) -> bool:
        """Whether a shard tries, or waits to try, for all whether an outage is over."""
        return self._probe is not None or any(shard.setbacks.is_outage for shard in list(self._in_hand))

    @property
    def ready(self) -> int:
        """How many are ready."""
        return len(self._ready)

    @property
    def wakes_at(self) -> float:
        """When the next one comes out of its backoff."""
        return self._delayed[0][0] if self._delayed else inf

    @property
    def probe_at(self) -> float:
        """When it is tried again whether an outage is over."""
        return self._probe[0] if self._probe is not None else inf

    def is_probe(self, shard: Shard) -> bool:
        return self._probe is not None and self._probe[1] is shard

    def is_in_hand(self, shard: Shard) -> bool:
        return shard in self._in_hand

    def put(self, messages: Sequence[Message], size: int) -> None:
        by_key, ready, is_keyed = self._by_key, self._ready, self._ordering == "key"
        for message in messages:
            key = message.key_bytes if is_keyed else None
            if key is None:
                ready.append(Shard(self._partition, None, message))
            elif (shard := by_key.get(key)) is not None:
                # It is ready, in a backoff or in hand: an empty one is not kept.
                shard.add(message)
            else:
                by_key[key] = shard = Shard(self._partition, key, message)
                ready.append(shard)
        self.held += len(messages)
        self.held_bytes += size + SHARD_BYTES * len(messages)

    def wake(self, now: float) -> None:
        """Those whose backoff is over are ready."""
        while self._delayed and self._delayed[0][0] <= now:
            self._ready.append(heappop(self._delayed)[2])

    def take_shard(self) -> tuple[Shards, Shard, Chunk]:
        """The oldest that is ready, with what is to be done of it."""
        return self._take(self._ready.popleft())

    def take_probe(self) -> tuple[Shards, Shard, Chunk]:
        assert self._probe is not None
        (_, shard), self._probe = self._probe, None
        return self._take(shard)

    def hold(self, key_bytes: bytes | None) -> tuple[Shards, Shard, Chunk] | None:
        """The shard of a key, for something besides its messages, which wait meanwhile.

        None while it is in other hands; then it is kept for whoever asks again, or has it released.
        """
        key = key_bytes if self._ordering == "key" else None
        shard = None if key is None else self._by_key.get(key)
        if shard is None:
            shard = Shard(self._partition, key)
            if key is not None:
                self._by_key[key] = shard
        elif shard is self._kept:
            self._kept = None
        elif shard in self._in_hand or self.is_probe(shard):
            self._wanted = shard
            return None
        elif shard in self._ready:
            self._ready.remove(shard)
        else:
            self._delayed = [each for each in self._delayed if each[2] is not shard]
            heapify(self._delayed)
        self._begin_shard(shard)
        return self, shard, Chunk(messages=[])

    def release(self) -> None:
        """Nobody waits any longer for a shard that is in other hands."""
        self._wanted = None
        if (kept := self._kept) is not None:
            self._kept = None
            self._line_up(kept)

    def end_shard(self, shard: Shard, done: int) -> int:
        """It is in nobody's hands any more, with so many messages done; about how many bytes that gives back."""
        self._durations.append(monotonic() - self._in_hand.pop(shard))
        if self._in_hand:
            self.busy_since = next(iter(self._in_hand.values()))
        else:
            # Not for a moment before: whoever looks would let the partition begin anew beside its handlers.
            self.is_busy = False
        return self._give_back(done)

    def return_shard(
        self, shard: Shard, chunks: Sequence[Chunk], wait_seconds: float, *, is_probe: bool = False
    ) -> None:
        """What is left of it waits for its turn, or for after a while, unless nothing further is to be begun."""
        shard.put_back(chunks, wait_seconds)
        if not self._keeps:
            # Where the partition begins anew, it comes again: nobody is to wait for its backoff before that.
            shard.clear()
        elif is_probe:
            self._probe = shard.ready_at, shard
            return
        elif shard is self._wanted:
            self._wanted, self._kept = None, shard
            return
        self._line_up(shard)

    def resume(self) -> None:
        super().resume()
        if (probe := self._probe) is not None:
            # Whoever waited for it has another one try meanwhile.
            self._probe = None
            self._line_up(probe[1])

    def clear(self) -> None:
        for shard in self._in_hand:
            # It stays known: what comes of its key waits until it is out of hand.
            shard.clear()
        self._by_key = {shard.key_bytes: shard for shard in self._in_hand if shard.key_bytes is not None}
        self._ready.clear()
        self._delayed.clear()
        self._probe = self._wanted = self._kept = None
        self.held = self.held_bytes = 0

    def _take(self, shard: Shard) -> tuple[Shards, Shard, Chunk]:
        self._begin_shard(shard)
        return self, shard, shard.take(shard.setbacks.at_most(MOST_AT_ONCE))

    def _begin_shard(self, shard: Shard) -> None:
        if not self._in_hand:
            self.begin()
        self._in_hand[shard] = monotonic()

    def _line_up(self, shard: Shard) -> None:
        if shard.is_empty:
            if shard.key_bytes is not None:
                self._by_key.pop(shard.key_bytes, None)
        elif shard.ready_at > monotonic():
            heappush(self._delayed, (shard.ready_at, next(self._numbers), shard))
        else:
            self._ready.append(shard)

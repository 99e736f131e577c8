"""A shard: the messages of one key, which wait for their turn and are handled one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from ...client.metadata.topic_ids import TopicIds
from ...message import Message
from ..offsets.ledger import Ledger
from .chunk import Chunk
from .line import Line
from .stream import Claim, Setbacks, State, Stream


class Shard:
    """Messages of one partition and key, handled one after the other as if they were all of a partition's.

    A message without a key is a shard of its own, and so is each where none has an order. What it knows is its
    partition's, but for its messages and its setbacks.
    """

    __slots__ = ("_messages", "_partition", "_returned", "key_bytes", "ready_at", "setbacks")

    def __init__(self, partition: Stream, key_bytes: bytes | None, *messages: Message) -> None:
        self._partition = partition
        self.key_bytes = key_bytes
        """None where it is of one message."""
        self.setbacks = Setbacks()
        self.ready_at = 0.0
        """Monotonic time before which it is left alone (backoff)."""
        self._messages = [*messages]
        self._returned: Sequence[Chunk] = ()
        """What was taken and came back, before all else."""

    def __str__(self) -> str:
        return str(self._partition)

    @property
    def topic(self) -> str:
        return self._partition.topic

    @property
    def number(self) -> int:
        return self._partition.number

    @property
    def key(self) -> tuple[str, int]:
        return self._partition.key

    @property
    def state(self) -> State:
        return self._partition.state

    @property
    def claim(self) -> Claim:
        return self._partition.claim

    @property
    def stored(self) -> int | None:
        return self._partition.stored

    @property
    def ledger(self) -> Ledger:
        return self._partition.ledger

    @property
    def line(self) -> Line:
        """The partition's: what stops that stops each of its shards."""
        line = self._partition.line
        assert isinstance(line, Line)
        return line

    def identify_by(self, topic_ids: TopicIds) -> None:
        self._partition.identify_by(topic_ids)

    def store(self, next_offset: int) -> None:
        self._partition.store(next_offset)

    def store_beyond(self, offset: int) -> None:
        self._partition.store_beyond(offset)

    @property
    def is_empty(self) -> bool:
        return not self._messages and not self._returned

    def add(self, message: Message) -> None:
        self._messages.append(message)

    def take(self, limit: int) -> Chunk:
        """Messages from the head, ``limit`` at most; chunks that came back stay apart."""
        if self._returned:
            first, *others = self._returned
            chunk, *rest = first.cut(limit)
            self._returned = [*rest, *others]
            return chunk
        taken = self._messages[:limit]
        del self._messages[:limit]
        return Chunk(messages=taken)

    def put_back(self, chunks: Sequence[Chunk], wait_seconds: float) -> None:
        self._returned = [*chunks, *self._returned]
        if wait_seconds:
            self.ready_at = monotonic() + wait_seconds

    def clear(self) -> None:
        self._messages.clear()
        self._returned = ()

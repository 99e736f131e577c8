"""The line of a partition: its messages that wait for their lane, and whether the lane may begin them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from time import monotonic

from ...message import Message
from ...messages import joined
from .chunk import Chunk

MOST_DURATIONS = 100


class Line:
    """What a lane holds of one partition.

    Only the lane that the partition is in calls these methods, and only under its lock. Anybody may read the fields,
    without the lock: each is true by itself, for a moment.
    """

    __slots__ = (
        *("_chunks", "_durations", "busy_since", "held", "held_bytes"),
        *("is_busy", "is_fenced", "is_halted", "is_stopping", "is_suspended", "ready_at"),
    )

    def __init__(self) -> None:
        self._chunks: deque[Chunk] = deque()
        self._durations: deque[float] = deque(maxlen=MOST_DURATIONS)
        self.held = self.held_bytes = 0
        self.ready_at = 0.0
        """Monotonic time before which the partition is left alone (backoff)."""
        self.is_busy = False
        self.busy_since = 0.0
        self.is_halted = False
        """Read by the lane between messages: nothing further is begun while it is True."""
        self.is_stopping = False
        """It is halted for good."""
        self.is_suspended = False
        """It is halted until somebody resumes it; what waits here stays."""
        self.is_fenced = False
        """It has to be claimed again before anything of it is handled."""

    @property
    def is_empty(self) -> bool:
        return not self._chunks

    @property
    def durations(self) -> list[float]:
        """How long the last chunks took, in seconds."""
        return list(self._durations)

    @property
    def seconds_in_hand(self) -> float:
        """For how long something of it has been in a handler's hands; where that is several, all together."""
        return monotonic() - self.busy_since if self.is_busy else 0.0

    def put(self, messages: Sequence[Message], size: int) -> None:
        self._chunks.append(Chunk(messages=messages))
        self.held += len(messages)
        self.held_bytes += size

    def begin(self) -> None:
        """Something of the partition is done from now on: whoever takes it away waits for that."""
        self.busy_since, self.is_busy = monotonic(), True

    def take(self, limit: int) -> Chunk:
        """Up to ``limit`` messages from the head, to be begun; chunks after a failure stay apart."""
        self.begin()
        waiting = self._chunks
        chunk = waiting.popleft()
        if chunk.may_merge:
            messages = chunk.messages
            while len(messages) < limit and waiting and waiting[0].may_merge:
                messages = joined(messages, waiting.popleft().messages)
            chunk = Chunk(messages=messages)
        chunk, *rest = chunk.cut(limit)
        waiting.extendleft(rest)
        return chunk

    def end(self, count: int = 0) -> int:
        """So many messages are done with; about how many bytes that gives back."""
        self.is_busy = False
        self._durations.append(monotonic() - self.busy_since)
        return self._give_back(count)

    def put_back(self, chunks: list[Chunk], wait_seconds: float) -> None:
        """To the head, for after a while, unless nothing further is to be begun."""
        self.ready_at = monotonic() + wait_seconds if wait_seconds else 0.0
        self._chunks.extendleft(reversed(chunks))
        if self.is_stopping:
            self.clear()

    def clear(self) -> None:
        """Forget what waits."""
        self._chunks.clear()
        self.held = self.held_bytes = 0

    def fence(self, wait_seconds: float = 0.0) -> None:
        """Nothing of what is here is ours to handle, until the partition begins again, after a while."""
        self.ready_at, self.is_fenced = monotonic() + wait_seconds, True
        self.clear()

    def open(self) -> None:
        """What comes from now on is of where the partition begins."""
        self.clear()
        self.is_fenced = False

    def stop(self) -> None:
        """Begin nothing further, ever; what waits is left where it is."""
        self.is_halted = self.is_stopping = True

    def suspend(self) -> None:
        """Begin nothing further for now; what waits is left where it is."""
        self.is_halted = self.is_suspended = True

    def resume(self) -> None:
        """What was suspended goes on, unless it stops."""
        self.is_halted, self.is_suspended = self.is_stopping, False

    def _give_back(self, count: int) -> int:
        if not self.held:
            return 0  # it was cleared meanwhile
        size = self.held_bytes * count // self.held
        self.held_bytes -= size
        self.held -= count
        return size

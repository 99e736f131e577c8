"""The ledger of a partition: what was taken, what is finished, and the next offset to commit."""

from __future__ import annotations

from ..message import Message


class Ledger:
    """The offsets of one assignment of a partition; it only moves forward.

    The loop thread takes and commits, the partition's lane finishes. Each field has one writer and is
    replaced whole, so neither needs a lock. Offsets jump (compaction, transaction markers): positions
    are compared, never counted.
    """

    __slots__ = ("_committable", "_end", "_held_back", "_start", "committed", "last_finished", "taken")

    def __init__(self, start: int | None = None) -> None:
        self.taken = start
        """The next offset to take (written by the loop)."""
        self.committed = start
        """What Kafka has confirmed, or was asked to hold, for this assignment (written by the loop)."""
        self.last_finished: Message | None = None
        """The newest message with all earlier ones finished (written by the lane, once a message)."""
        self._start = start
        self._committable = start
        self._held_back = False
        self._end: int | None = None

    def resumed(self) -> Ledger:
        """A ledger that begins where this one is finished, with what was taken beyond to be taken again."""
        ledger = Ledger(self.finished)
        ledger.committed = self.committed
        # What a handler asked to be left uncommitted it still has in its own hands.
        ledger._committable, ledger._held_back = self._committable, self._held_back
        return ledger

    def take(self, next_offset: int) -> None:
        """Everything below ``next_offset`` was taken from Kafka."""
        self.taken = next_offset

    def reach_end(self, position: int) -> None:
        """The partition's end was seen at ``position``: what lies before it and was not delivered is a gap."""
        self._end = position

    def hold_back(self) -> None:
        """From here on only ``commit_through`` moves the commit, until ``release`` (``NO_COMMIT``)."""
        if not self._held_back:
            self._committable = self.finished
            self._held_back = True

    def commit_through(self, next_offset: int) -> None:
        """What is about to be finished may be committed up to ``next_offset``, and no further (``CommitThrough``)."""
        earlier = self._committable
        if self._held_back and earlier is not None:
            next_offset = max(earlier, next_offset)
        self._committable = next_offset
        self._held_back = True

    def release(self) -> None:
        """Everything finished may be committed again."""
        self._held_back = False

    @property
    def is_held_back(self) -> bool:
        return self._held_back

    @property
    def finished(self) -> int | None:
        """The lowest unfinished offset; None while that is unknown."""
        last = self.last_finished
        if last is None:
            return self._start
        return last.offset + 1

    @property
    def is_idle(self) -> bool:
        """True when everything taken is finished."""
        finished = self.finished
        return self.taken is None or (finished is not None and finished >= self.taken)

    @property
    def position(self) -> int | None:
        """How far it has come: the lowest unfinished offset, or the partition's end when all is finished."""
        finished = self.finished
        if self._end is not None and self.is_idle:
            return self._end if finished is None else max(self._end, finished)
        return finished

    @property
    def next_offset(self) -> int | None:
        """The offset to commit."""
        return self._committable if self._held_back else self.position

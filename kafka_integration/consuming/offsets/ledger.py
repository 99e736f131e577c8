"""The ledger of a partition: what was taken, what is finished, and the next offset to commit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

from ...message import Message, RawMessage


class Ledger:
    """The offsets of one assignment of a partition; it only moves forward.

    The loop thread takes and commits, the partition's lane finishes. Each field has one writer and changes
    at once, so neither needs a lock. Offsets jump (compaction, transaction markers): positions
    are compared, never counted.
    """

    __slots__ = (
        *("taken", "committed", "noted", "has_reached_end", "finish"),
        *("_newest", "_start", "_committable", "_held_back", "_end"),
        *("_finished_beyond", "_beyond_epoch", "_handed_out"),
    )

    def __init__(
        self,
        start: int | None = None,
        committed: int | None = None,
        finished_beyond: Collection[int] = (),
        beyond_epoch: int | None = None,
    ) -> None:
        self.taken = start
        """The next offset to take."""
        self.committed = committed
        """What Kafka has confirmed for this assignment, or held before it."""
        self.noted = ""
        """What was noted with that, as far as this assignment did."""
        self.has_reached_end = False
        """What was taken last is the last that there is, as far as is known."""
        self._newest: deque[Message] = deque(maxlen=1)
        self.finish: Callable[[Message], None] = self._newest.append
        """This message is finished, and so are all before it. Once a message: a method of our own takes four times as
        long, which is 3 % of the throughput of an empty handler."""
        self._start = start
        self._committable = start
        self._held_back = False
        self._end: int | None = None
        self._finished_beyond = set(finished_beyond)
        """What was finished before it began, beyond ``start``: not to be handled again."""
        self._beyond_epoch = beyond_epoch
        """Up to which leader's epoch that goes: what a later one wrote at these offsets are other messages."""
        self._handed_out = start
        """The offset after the last message that is left to be finished."""

    def resumed(self, beyond_epoch: int | None = None) -> Ledger:
        """A ledger that begins where this one is finished, with what was taken and isn't finished to be taken again."""
        ledger = type(self)(self.finished, self.committed, self.finished_beyond(), beyond_epoch)
        ledger.noted = self.noted
        if self._held_back:
            # What a handler asked to be left uncommitted it still has in its own hands.
            ledger._hold_at(self._committable)
        return ledger

    def unfinished(self, raws: list[Any]) -> list[Any]:
        """Those of these messages that are to be handled: without what was finished before the ledger began."""
        known = self._finished_beyond
        if not known:
            return raws
        if (last := self._beyond_epoch) is not None:
            known -= {raw.offset() for raw in raws if (raw.leader_epoch() or 0) > last}
        return [raw for raw in raws if raw.offset() not in known]

    def take(self, next_offset: int, raws: Sequence[RawMessage] | None = None) -> None:
        """Everything below ``next_offset`` was taken from Kafka, and of that ``raws`` are to be handled."""
        if raws is None:
            self._handed_out = next_offset
        elif raws:
            self._handed_out = (raws[-1].offset() or 0) + 1
        self.taken, self.has_reached_end = next_offset, False

    def reach_end(self, position: int) -> None:
        """The partition's end was seen at ``position``: what lies before it and was not delivered is a gap."""
        self._end, self.has_reached_end = position, True

    def confirm(self, next_offset: int, note: str | None = None) -> None:
        """Kafka holds ``next_offset`` now, with this note if that is known."""
        self.committed = next_offset if self.committed is None else max(next_offset, self.committed)
        if note is not None:
            self.noted = note

    def hold_back(self) -> None:
        """From here on only ``commit_through`` moves the commit, until ``release`` (``NO_COMMIT``)."""
        if not self._held_back:
            self._hold_at(self.finished)

    def commit_through(self, next_offset: int) -> None:
        """What is about to be finished may be committed up to ``next_offset``, and no further (``CommitThrough``)."""
        earlier = self._committable
        if self._held_back and earlier is not None:
            next_offset = max(earlier, next_offset)
        self._hold_at(next_offset)

    def release(self) -> None:
        """Everything finished may be committed again."""
        self._held_back = False

    @property
    def is_held_back(self) -> bool:
        return self._held_back

    @property
    def finished(self) -> int | None:
        """The floor: the lowest unfinished offset; None while that is unknown."""
        finished = self._newest[0].offset + 1 if self._newest else self._start
        if finished is None or self._handed_out is None or finished < self._handed_out:
            return finished
        # What was left out at the end of what was taken is finished too.
        return max(finished, self.taken or 0)

    def finished_beyond(self) -> list[int]:
        """The offsets above the floor that are finished."""
        floor = self.finished or 0
        return sorted(offset for offset in self._finished_beyond if offset >= floor)

    @property
    def beyond_epoch(self) -> int | None:
        """Up to which leader's epoch what was finished beyond its start goes; None where that is not known."""
        return self._beyond_epoch

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

    def _hold_at(self, next_offset: int | None) -> None:
        self._committable = next_offset
        self._held_back = True

"""When messages were written that are still to be finished."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from typing import Any

MOST = 20_000


class Ages:
    """One mark for each run of messages that was taken: the first one's offset and timestamp.

    So that it costs nothing a message. The loop notes, anybody may ask.
    """

    def __init__(self) -> None:
        self._marks: deque[tuple[int, int | None]] = deque(maxlen=MOST)
        self._next_offset = 0

    def note(self, raws: Sequence[Any], committed: int | None) -> None:
        """A run was taken; below ``committed`` nobody asks any more."""
        marks, offset = self._marks, raws[0].offset()
        while marks and marks[-1][0] >= offset:
            marks.pop()  # it was taken before, and begins again
        kind, timestamp_ms = raws[0].timestamp()
        marks.append((offset, timestamp_ms if kind else None))
        self._next_offset = raws[-1].offset() + 1
        while committed is not None and len(marks) > 1 and marks[1][0] <= committed:
            marks.popleft()

    def of(self, offset: int) -> int | None:
        """The timestamp of the message at the offset, or of one shortly before it; None where none is known."""
        marks = list(self._marks)
        index = bisect_right(marks, offset, key=lambda mark: mark[0]) - 1
        return marks[index][1] if index >= 0 and offset < self._next_offset else None

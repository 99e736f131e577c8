"""When messages were written that are still to be finished."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

MOST = 20_000
APART_MS = 1_000
"""Messages of a run that were written within so long share a mark."""


class Ages:
    """One mark for each run of messages that was taken: the first one's offset and timestamp.

    So that it costs nothing a message. A run that was written over a while, as what waited for a restart, has more of
    them. The loop notes, anybody may ask.
    """

    def __init__(self) -> None:
        self._marks: deque[tuple[int, int | None]] = deque(maxlen=MOST)
        self._next_offset = 0

    def note(self, raws: Sequence[Any], committed: int | None) -> None:
        """A run was taken; below ``committed`` nobody asks any more."""
        marks, offset = self._marks, raws[0].offset()
        while marks and marks[-1][0] >= offset:
            marks.pop()  # it was taken before, and begins again
        marks.extend(_marks_of(raws))
        self._next_offset = raws[-1].offset() + 1
        while committed is not None and len(marks) > 1 and marks[1][0] <= committed:
            marks.popleft()

    def of(self, offset: int) -> int | None:
        """The timestamp of the message at the offset, or of one shortly before it; None where none is known."""
        marks = list(self._marks)
        index = bisect_right(marks, offset, key=lambda mark: mark[0]) - 1
        return marks[index][1] if index >= 0 and offset < self._next_offset else None


def _marks_of(raws: Sequence[Any]) -> Iterator[tuple[int, int | None]]:
    marked_ms = _written_ms(raws[0])
    yield raws[0].offset(), marked_ms
    if not _are_apart(marked_ms, _written_ms(raws[-1])):
        return
    for raw in raws:
        written_ms = _written_ms(raw)
        if _are_apart(marked_ms, written_ms):
            marked_ms = written_ms
            yield raw.offset(), written_ms


def _are_apart(one_ms: int | None, other_ms: int | None) -> bool:
    if one_ms is None or other_ms is None:
        return one_ms is not other_ms
    return abs(one_ms - other_ms) > APART_MS


def _written_ms(raw: Any) -> int | None:
    kind, timestamp_ms = raw.timestamp()
    return timestamp_ms if kind else None

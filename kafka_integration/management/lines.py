"""The lines of a file or of what somebody types, one at a time, until they end or Ctrl-C comes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Self

LINE_END_BYTES = 2


class Lines:
    """Lines that can be counted and interrupted: between two of them, or in the middle of waiting for the next.

    What is done with a line isn't interrupted: an exception in the middle of a callback of the client would be lost,
    and with it what became of a message. A second Ctrl-C is a ``KeyboardInterrupt`` wherever it comes.
    """

    def __init__(self, file: Any, *, longest: int) -> None:
        self._file = file
        self._most = longest + LINE_END_BYTES
        self._is_waiting = False
        self._handler_before: Any = None
        self.bytes_read = 0
        self.is_interrupted = False

    def __enter__(self) -> Self:
        # Elsewhere than in the main thread nobody may answer signals.
        if threading.current_thread() is threading.main_thread():
            self._handler_before = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        if self._handler_before is not None:
            signal.signal(signal.SIGINT, self._handler_before)

    def __iter__(self) -> Iterator[bytes | str]:
        """Each line with its end. One that is longer than allowed comes in part, longer than allowed all the same."""
        while line := self._next():
            self.bytes_read += len(line)
            yield line

    def _next(self) -> bytes | str:
        try:
            self._is_waiting = True
            line: bytes | str = b"" if self.is_interrupted else self._file.readline(self._most)
            self._is_waiting = False
        except KeyboardInterrupt:
            self._is_waiting, self.is_interrupted = False, True
            return b""
        return line

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._is_waiting or self.is_interrupted:
            raise KeyboardInterrupt
        self.is_interrupted = True

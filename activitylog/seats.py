"""How many viewers of the live page a process streams to: each holds a thread, and the site needs some too."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator


class Seats:
    """Counts those taken; safe to use from several threads."""

    def __init__(self) -> None:
        self._taken = 0
        self._lock = threading.Lock()

    def seat(self, frames: Generator[str, None, None], most: int) -> Seated | None:
        """Returns the frames with a seat for as long as they last, or None if ``most`` are taken."""
        with self._lock:
            if self._taken >= most:
                return None
            self._taken += 1
        return Seated(frames, self)

    def leave(self) -> None:
        with self._lock:
            self._taken -= 1


class Seated(Iterator[str]):
    """A stream that leaves its seat when it ends or is closed. A generator that never began wouldn't notice that."""

    def __init__(self, frames: Generator[str, None, None], seats: Seats) -> None:
        self._frames = frames
        self._seats: Seats | None = seats

    def __next__(self) -> str:
        try:
            return next(self._frames)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._frames.close()
        seats, self._seats = self._seats, None
        if seats is not None:
            seats.leave()

    def __del__(self) -> None:
        self.close()

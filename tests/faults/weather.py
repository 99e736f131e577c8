"""What a network does to the bytes on their way: later, in pieces, or not at all, and no connection is closed.

TCP hides from both ends what packets go through: one that is lost, comes twice or out of order is late, and what came
behind it waits. So a delay that varies, pieces of any size and silence are all that either end can see of it.
"""

from __future__ import annotations

import queue
import random
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic


@dataclass(kw_only=True)
class Weather:
    """Of one way or of several; it may change while connections stand.

    Bytes take ``delay_seconds`` each way and up to ``jitter_seconds`` more, and come in pieces of at most
    ``piece_bytes``. While it is ``still``, nothing comes through at all.
    """

    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    piece_bytes: int | None = None
    seed: int = 0
    _flows: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._flows.set()

    def still(self) -> None:
        """From now on nothing comes through, in neither direction, and nobody is told."""
        self._flows.clear()

    def clear(self) -> None:
        """What was held up comes through, and what follows."""
        self._flows.set()

    def wait(self) -> None:
        self._flows.wait()

    def is_still_for(self, seconds: float) -> bool:
        return not self._flows.wait(seconds)

    def due_at(self) -> float:
        return monotonic() + self.delay_seconds + self._chance.uniform(0, self.jitter_seconds)

    def pieces_of(self, data: bytes) -> list[bytes]:
        if self.piece_bytes is None:
            return [data]
        pieces = []
        while data:
            size = self._chance.randint(1, self.piece_bytes)
            pieces.append(data[:size])
            data = data[size:]
        return pieces


class Way:
    """One direction of a connection: sends what it was given, in order, when the weather lets it."""

    def __init__(self, target: socket.socket, weather: Weather) -> None:
        self._target = target
        self._weather = weather
        self._waiting: queue.Queue[tuple[float, bytes] | None] = queue.Queue()
        self._over = threading.Event()
        self._last_due = 0.0
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def send(self, data: bytes) -> None:
        for piece in self._weather.pieces_of(data):
            # Never before what was sent earlier: TCP keeps the order.
            self._last_due = max(self._last_due, self._weather.due_at())
            self._waiting.put((self._last_due, piece))

    def close(self) -> None:
        """What is still under way is lost."""
        self._over.set()
        self._waiting.put(None)
        self._thread.join()

    def _carry(self) -> None:
        while (item := self._waiting.get()) is not None:
            due, piece = item
            if self._over.wait(max(0.0, due - monotonic())):
                return
            while self._weather.is_still_for(0.2):
                if self._over.is_set():
                    return
            with suppress(OSError):
                self._target.sendall(piece)

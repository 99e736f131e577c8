"""Lines that somebody types, or that a file holds, sent as messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ..headers import GivenHeaders
from .delivery import Delivery
from .produce import produce

# Enough to fill the client's batches, few enough for any memory.
UNCONFIRMED_LINES = 10_000
CONFIRMATION_SECONDS = 30.0


def send_lines(topic: str, lines: Iterable[bytes | str], *, key: str | None = None, headers: GivenHeaders = ()) -> int:
    """Sends each line, without its end, and returns how many were confirmed; raises ProduceError at the first loss.

    Ctrl-C ends the lines like their end: what was read is still confirmed.
    """
    unconfirmed: deque[Delivery] = deque()
    count = 0
    try:
        for line in lines:
            unconfirmed.append(produce(topic, _text(line), key=key, headers=headers))
            while unconfirmed and (unconfirmed[0].done() or len(unconfirmed) > UNCONFIRMED_LINES):
                count += _confirm(unconfirmed)
    except KeyboardInterrupt:
        pass
    while unconfirmed:
        count += _confirm(unconfirmed)
    return count


def _confirm(unconfirmed: deque[Delivery]) -> int:
    unconfirmed.popleft().result(CONFIRMATION_SECONDS)
    return 1


def _text(line: bytes | str) -> bytes | str:
    """The line without its end; bytes only where they are not UTF-8, since serializers may want text."""
    if isinstance(line, str):
        return line.removesuffix("\n").removesuffix("\r")
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line

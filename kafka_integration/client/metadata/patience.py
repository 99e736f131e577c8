"""How long a question to a broker may take: as long as its answers have taken, within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from ...errors import BrokerError

LEAST_SECONDS = 5.0
MOST_SECONDS = 20.0
"""Less than a process has to stop in: whoever asks doesn't see that it should."""
NO_ANSWER = "_TIMED_OUT"


class Patience:
    """Of one asker with a broker that may be slow. A time-out that never grows would never let it begin."""

    def __init__(self) -> None:
        self._seconds = LEAST_SECONDS

    @contextmanager
    def timeout(self) -> Iterator[float]:
        """The seconds for one question, asked inside: twice as many for the next if no answer comes in time."""
        began_at = monotonic()
        try:
            yield self._seconds
        except BrokerError as error:
            if error.code == NO_ANSWER:
                self._seconds = min(MOST_SECONDS, 2 * self._seconds)
            raise
        self._seconds = min(MOST_SECONDS, max(LEAST_SECONDS, 2 * (monotonic() - began_at)))

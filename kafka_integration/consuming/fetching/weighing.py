"""What fetched messages weigh in memory, at a cost that a message hardly notices."""

from __future__ import annotations

from typing import Any

from ...message import headers_of
from ...sizes import HELD_MESSAGE_BYTES, held_header_bytes

STRIDE = 64
LARGE_BYTES = 2048
"""Of a key with its headers."""
CAREFUL_RUNS = 100
MOST_FETCHED_MESSAGES = 1000
"""Half as many and twice as many take more of the processor's time: the fewer, the more often loop and lanes wait for
the interpreter; the more, the longer ago it is that their lane's processor had them in its cache."""
MOST_FETCHED_BYTES = 16 * 1024 * 1024
MOST_HIDDEN_BYTES = 4 * 1024 * 1024
HEAVY_BYTES = 4096
UNKNOWN_BYTES = 1024 * 1024
"""What a message is taken to weigh before any was seen."""


class Weighing:
    """Counts keys, values, headers and what is around them; belongs to the loop's thread.

    To read headers takes a third of what a message takes in all, and keys a tenth. So while they are small, one message
    stands for 64, another one in each run; once any is large, all are read, for a while: then they are what there is to
    count.
    """

    def __init__(self) -> None:
        self._phase = 0
        self._careful_runs = 0
        self._typical_bytes = UNKNOWN_BYTES
        self.is_hidden_from_client = False
        """Whether most of what came last is keys and headers, which bound nothing of what librdkafka fetches."""

    @property
    def fetch_size(self) -> int:
        """How many messages to take at once: of heavy ones few, because what was taken can't be put back."""
        most_bytes = MOST_HIDDEN_BYTES if self.is_hidden_from_client else MOST_FETCHED_BYTES
        return max(1, min(MOST_FETCHED_MESSAGES, most_bytes // self._typical_bytes))

    def weigh(self, raws: list[Any]) -> int:
        """The bytes that the messages of a run hold; there is at least one.

        One whose headers can be read but once is replaced in ``raws``.
        """
        # A message's length is that of its value.
        value_bytes = sum(map(len, raws))
        size = value_bytes + HELD_MESSAGE_BYTES * len(raws) + self._keys_and_headers(raws)
        self.is_hidden_from_client = size // len(raws) > HEAVY_BYTES and value_bytes < size // 2
        # Heavier ones count at once, lighter ones when a few runs of them have come.
        self._typical_bytes = max(size // len(raws), self._typical_bytes // 2)
        return size

    def _keys_and_headers(self, raws: list[Any]) -> int:
        if self._careful_runs:
            self._careful_runs -= 1
        else:
            self._phase = (self._phase + 1) % STRIDE
            sizes = [_key_and_header_bytes(raws, place) for place in range(self._phase % len(raws), len(raws), STRIDE)]
            if max(sizes) < LARGE_BYTES:
                return sum(sizes) * len(raws) // len(sizes)
        sizes = [_key_and_header_bytes(raws, place) for place in range(len(raws))]
        if max(sizes) >= LARGE_BYTES:
            self._careful_runs = CAREFUL_RUNS
        return sum(sizes)


def _key_and_header_bytes(raws: list[Any], place: int) -> int:
    headers, raws[place] = headers_of(raws[place])
    return len(raws[place].key() or b"") + held_header_bytes(headers)

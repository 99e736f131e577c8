"""Records that take the whole way: published in transactions, some of which roll back, and relayed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.load import Acknowledged
from tests.publishing.scenario import PublishingScenario

KEYS = 20
EVENTS_IN_A_TRANSACTION = 1.5
WRITERS = 4


class OutboxLoad:
    """``acknowledged`` is, once it has flowed, what committed transactions have published."""

    def __init__(self, publishing: PublishingScenario) -> None:
        self.acknowledged: list[Acknowledged] = []
        self._publishing = publishing

    def failures_of(self, key: str, seq: int) -> int:
        """Its handler fails at none."""
        return 0

    @contextmanager
    def flowing(self, per_second: float) -> Iterator[None]:
        """Transactions all the time that the block takes."""
        seconds_of_each = WRITERS * EVENTS_IN_A_TRANSACTION / per_second
        writers = self._publishing.writers(
            "--forever", f"--writers={WRITERS}", f"--keys={KEYS}", f"--delay-ms={seconds_of_each * 2000:.0f}"
        )
        try:
            yield
        finally:
            status = writers.terminate(60)
        assert status == 0, writers.tail()
        self.acknowledged = [
            # Where it is in the topic, and how often, is the relay's business.
            Acknowledged(partition=0, offset=None, key=key, seq=seq)
            for key, seq in self._publishing.published().values()
        ]

"""Records of which some fail, once or until they are dead letters."""

from __future__ import annotations

from tests.faults.load import Load

ATTEMPTS = 2
"""What `retry` has to allow."""
ONCE_IN = 7
FOR_GOOD_IN = 50


class FailingLoad(Load):
    """What fails for good has a key of its own: the order of a key ends with a dead letter."""

    def failures_of(self, key: str, seq: int) -> int:
        if key.startswith("dead-"):
            return ATTEMPTS
        return 1 if seq % ONCE_IN == 0 else 0

    def _next_key(self) -> str:
        key = super()._next_key()
        return f"dead-{self._turn}" if self._turn % FOR_GOOD_IN == 0 else key

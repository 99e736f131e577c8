"""What is done with a message whose handling failed: a policy object decides, others carry it out."""

from __future__ import annotations

import random
from collections.abc import Callable

from django.utils.module_loading import import_string

from ...conf.consumers import ConsumerSettings, FailureAction, RetryPolicy
from ...errors import HandlerError
from ...outcomes import Reject, Retry, Skip, is_seconds
from ...retrying import Backoff
from ..ordering.chunk import Drop, Park, RetryLater, Stop, Verdict

# What isn't the message's failure has bounds that ``retry`` doesn't move: with no pauses between attempts a lane would
# spin while a database is away, and with pauses of hours go on hours after it is back.
OUTAGE_SECONDS = 0.1
CONFLICT_SECONDS = 0.05
FLOOR_SECONDS = 1.0
"""Twice as long each time, from the first to this."""
LONGEST_WAIT_SECONDS = 60.0


class FailurePolicy:
    """Decides by the exception and the attempt; holds no state, so any thread may ask."""

    def __init__(
        self,
        *,
        retry: RetryPolicy,
        on_failure: FailureAction,
        rules: dict[type[BaseException], FailureAction],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._retry = retry
        self._on_failure: FailureAction = on_failure
        self._rules = rules
        self._attempts = Backoff(
            first_seconds=retry.backoff_seconds,
            longest_seconds=retry.max_backoff_seconds,
            factor=retry.backoff_factor,
            jitter=jitter,
        )
        self._outages = Backoff(first_seconds=OUTAGE_SECONDS, longest_seconds=FLOOR_SECONDS, jitter=jitter)
        self._conflicts = Backoff(first_seconds=CONFLICT_SECONDS, longest_seconds=FLOOR_SECONDS, jitter=jitter)

    @classmethod
    def of(cls, consumer: ConsumerSettings) -> FailurePolicy:
        rules = {import_string(path): action for path, action in consumer.failure_rules.items()}
        return cls(retry=consumer.retry, on_failure=consumer.on_failure, rules=rules)

    def decide(self, error: BaseException, attempt: int) -> Verdict:
        """What becomes of a message whose execution number ``attempt`` raised ``error``."""
        if isinstance(error, Skip):
            return Drop()
        if isinstance(error, Reject):
            return Park()
        action = self._action(error)
        if action == "retry":
            asked = _asked_seconds(error)
            if self._has_attempts_left(attempt):
                return RetryLater(self.delay_seconds(attempt) if asked is None else max(0.0, asked))
            action = self._on_failure
        if action == "skip":
            return Drop()
        return Stop() if action == "stop" else Park()

    def delay_seconds(self, attempt: int) -> float:
        """Exponential, capped, and between half and all of it, so that many consumers don't return as one."""
        return self._attempts.seconds(attempt)

    def outage_seconds(self, count: int) -> float:
        """How long to wait at the ``count``-th outage in a row, or dead letter that can't be written."""
        return _at_least(self._outages.seconds(count), self.delay_seconds(min(count, 5)))

    def conflict_seconds(self, count: int) -> float:
        """The same for transactions that met: they are soon over."""
        return _at_least(self._conflicts.seconds(count), self.delay_seconds(min(count, 5)) / 10)

    def _action(self, error: BaseException) -> FailureAction:
        """The rule of the nearest class in the exception's MRO; without one, "retry"."""
        return next((self._rules[cls] for cls in type(error).__mro__ if cls in self._rules), "retry")

    def _has_attempts_left(self, attempt: int) -> bool:
        return self._retry.attempts is None or attempt < self._retry.attempts


def _at_least(floor_seconds: float, seconds: float) -> float:
    return min(LONGEST_WAIT_SECONDS, max(floor_seconds, seconds))


def _asked_seconds(error: BaseException) -> float | None:
    asked = error.after_seconds if isinstance(error, Retry) else None
    if asked is not None and not is_seconds(asked):
        # Retry itself takes no other, but a subclass may set what it likes.
        raise HandlerError(
            f"{type(error).__name__}.after_seconds is a {type(asked).__name__} that is no number of seconds"
        )
    return asked

"""The log of what becomes of messages; nothing for one that is handled."""

from __future__ import annotations

import logging

from ..outcomes import Reject, Skip
from ..retrying import is_worth_a_line
from ..summaries import escaped, reason_of, shortened, summarize
from .facts import AttemptFailed, Fact, HookFailed, Parked, ParkingFailed, Replayed, SetBack, Skipped

logger = logging.getLogger(__name__)


class Log:
    """The lines of one consumer."""

    def __init__(self, consumer: str) -> None:
        self._consumer = consumer

    def __call__(self, fact: Fact) -> None:
        match fact:
            case AttemptFailed(message, error, delay_seconds):
                logger.warning(
                    "consumer %s: attempt %d at %r failed, next in %.1f s: %s",
                    self._consumer, message.attempt, message, delay_seconds, summarize(error),
                )  # fmt: skip
            case Parked(message, error):
                logger.error(
                    "consumer %s: %r is a dead letter after %d attempt(s): %s",
                    self._consumer, message, message.attempt, _reason(error),
                )  # fmt: skip
            case Skipped(message, error):
                logger.warning("consumer %s: %r skipped: %s", self._consumer, message, _reason(error))
            case ParkingFailed(message, error):
                logger.error(
                    "consumer %s: %r can't be written as a dead letter, %s[%d] waits: %s",
                    self._consumer, message, message.topic, message.partition, summarize(error),
                )  # fmt: skip
            case HookFailed(what, error):
                logger.error(
                    "consumer %s: %s is committed and stays handled, but one of its on_commit hooks failed, and "
                    "Django left out those after it: %s",
                    self._consumer, what, summarize(error),
                )  # fmt: skip
            case SetBack(outage=BaseException() as outage) if is_worth_a_line(fact.count):
                logger.warning(
                    "consumer %s: %s waits %.1f s for what its handler needs: %s",
                    self._consumer, fact.partition, fact.delay_seconds, summarize(outage),
                )  # fmt: skip
            case Replayed():
                self._note_replay(fact)

    def _note_replay(self, fact: Replayed) -> None:
        consumer, letter, message, error = self._consumer, fact.letter, fact.message, fact.error
        if error is None:
            logger.info("consumer %s: dead letter %d, %r, is handled by its replay", consumer, letter, message)
        elif isinstance(error, Skip):
            logger.warning("consumer %s: %r skipped by its replay: %s", consumer, message, summarize(error))
        else:
            logger.error(
                "consumer %s: the replay of %r failed, it stays dead letter %d after %d attempts: %s",
                consumer, message, letter, message.attempt, summarize(error),
            )  # fmt: skip


def _reason(error: Exception) -> str:
    """What the handler says itself of its decision, if it does."""
    given = escaped(shortened(reason_of(error))) if isinstance(error, Reject | Skip) else ""
    return given or summarize(error)

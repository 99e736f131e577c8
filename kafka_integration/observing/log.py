"""The log of what becomes of partitions and messages; nothing for one that is handled."""

from __future__ import annotations

import logging

from ..outcomes import Reject, Skip
from ..retrying import is_worth_a_line
from ..summaries import escaped, names_of_partitions, reason_of, shortened, summarize
from . import facts
from .facts import Fact
from .log_fields import LogFields

logger = logging.getLogger(__name__)


class Log:
    """The lines of one consumer."""

    ignores = frozenset({facts.Handled})

    def __init__(self, consumer: str, group: str) -> None:
        self._consumer = consumer
        self._fields = LogFields(consumer, group)

    def __call__(self, fact: Fact) -> None:
        match fact:
            case facts.AttemptFailed(message, error, delay_seconds):
                logger.warning(
                    "consumer %s: attempt %d at %r failed, next in %.1f s: %s",
                    self._consumer, message.attempt, message, delay_seconds, summarize(error),
                    extra=self._fields.of_message(message),
                )  # fmt: skip
            case facts.Parked(message, error):
                logger.error(
                    "consumer %s: %r is a dead letter after %d attempt(s): %s",
                    self._consumer, message, message.attempt, _reason(error),
                    extra=self._fields.of_message(message),
                )  # fmt: skip
            case facts.Skipped(message, error):
                logger.warning(
                    "consumer %s: %r skipped: %s",
                    self._consumer, message, _reason(error), extra=self._fields.of_message(message),
                )  # fmt: skip
            case facts.ParkingFailed(message, error):
                logger.error(
                    "consumer %s: %r can't be written as a dead letter, %s[%d] waits: %s",
                    self._consumer, message, message.topic, message.partition, summarize(error),
                    extra=self._fields.of_message(message),
                )  # fmt: skip
            case facts.HookFailed(what, error):
                logger.error(
                    "consumer %s: %s is committed and stays handled, but one of its on_commit hooks failed, and "
                    "Django left out those after it: %s",
                    self._consumer, what, summarize(error), extra=self._fields.of(),
                )  # fmt: skip
            case facts.SetBack(outage=BaseException() as outage) if is_worth_a_line(fact.count):
                logger.warning(
                    "consumer %s: %s[%d] waits %.1f s for what its handler needs: %s",
                    self._consumer, *fact.partition, fact.delay_seconds, summarize(outage),
                    extra=self._fields.of(fact.partition),
                )  # fmt: skip
            case facts.Replayed():
                self._note_replay(fact)
            case facts.Assigned() | facts.Revoked():
                self._note_assignment(fact)

    def _note_assignment(self, fact: facts.Assigned | facts.Revoked) -> None:
        names = names_of_partitions(fact.partitions)
        if isinstance(fact, facts.Assigned):
            if names or not fact.owned:
                logger.info("consumer %s: assigned %s", self._consumer, names or "nothing", extra=self._fields.of())
        elif fact.is_lost:
            logger.warning(
                "consumer %s: lost %s to the group without notice; unfinished work is delivered again",
                self._consumer, names, extra=self._fields.of(),
            )  # fmt: skip
        else:
            logger.info("consumer %s: revoked %s", self._consumer, names, extra=self._fields.of())

    def _note_replay(self, fact: facts.Replayed) -> None:
        consumer, letter, message, error = self._consumer, fact.letter, fact.message, fact.error
        fields = self._fields.of_message(message)
        if error is None:
            text = "consumer %s: dead letter %d, %r, is handled by its replay"
            logger.info(text, consumer, letter, message, extra=fields)
        elif isinstance(error, Skip):
            text = "consumer %s: %r skipped by its replay: %s"
            logger.warning(text, consumer, message, summarize(error), extra=fields)
        else:
            logger.error(
                "consumer %s: the replay of %r failed, it stays dead letter %d after %d attempts: %s",
                consumer, message, letter, message.attempt, summarize(error), extra=fields,
            )  # fmt: skip


def _reason(error: Exception) -> str:
    """What the handler says itself of its decision, if it does."""
    given = escaped(shortened(reason_of(error))) if isinstance(error, Reject | Skip) else ""
    return given or summarize(error)

"""Carrying out what the failure policy decided about one message."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from django.dispatch import Signal

from ...client.metadata.topic_ids import TopicIds
from ...errors import ConsumerStoppedError, HandlerError, KafkaIntegrationError
from ...message import Message
from ...outcomes import BatchError, Reject, Skip
from ...retrying import is_worth_a_line
from ...signals import message_failed, message_parked, message_skipped
from ...summaries import attribute_of, escaped, reason_of, shortened, summarize
from ..counts import Counts
from ..failure_policy import Drop, FailurePolicy, Park, RetryLater, Stop, Verdict
from ..line import Chunk, Failure
from ..partition import Away, Partition
from .failed_hooks import tell_of_failed_hook
from .outages import cause_of, databases_of, first_away, is_conflict, is_setback, refuses_work

logger = logging.getLogger(__name__)

MAX_SETBACKS = 10
"""Lost connections or conflicts in a row at one message, the database being back each time, before it is to blame."""


class Parking(Protocol):
    """Where messages go that failed for good."""

    def announce(self, message: Message, error: Exception, topic_id: str, is_over: Callable[[], bool]) -> None:
        """Called before ``park``, and where possible before the transaction that it is part of."""

    def park(self, message: Message, error: Exception, topic_id: str) -> None:
        """Returns once the message is safely kept; raises otherwise."""


class Settling:
    """Decides about failures and carries out what ends a message: parked, skipped, or the consumer stopped.

    ``topic_ids`` tells a topic from a later one of the same name, where claiming doesn't already.
    """

    def __init__(
        self,
        *,
        consumer: str,
        policy: FailurePolicy,
        parking: Parking,
        counts: Counts,
        topic_ids: TopicIds | None = None,
    ) -> None:
        self._consumer = consumer
        self._policy = policy
        self._parking = parking
        self._topic_ids = topic_ids
        self._counts = counts

    def setback_seconds(self, partition: Partition, error: Exception) -> float | None:
        """How long to wait out an outage or a conflict; None when the failure is the message's own."""
        if not is_setback(error):
            return None
        conflict = is_conflict(error)
        is_of_handler = isinstance(error, HandlerError) or not isinstance(error, KafkaIntegrationError)
        may_be_to_blame = is_of_handler and not refuses_work(error)
        if partition.setbacks >= MAX_SETBACKS and may_be_to_blame:
            return None
        partition.setbacks += 1
        if conflict:
            # Whoever refused a lock, or a transaction, is there.
            partition.away = Away()
            return self._policy.conflict_seconds(partition.setbacks)
        partition.away = Away(databases_of(error))
        seconds = self._policy.outage_seconds(partition.setbacks)
        if is_worth_a_line(partition.setbacks):
            logger.warning(
                "consumer %s: %s waits %.1f s for what its handler needs: %s",
                self._consumer, partition, seconds, summarize(cause_of(error)),
            )  # fmt: skip
        return seconds

    def must_wait(self, partition: Partition, *databases: str) -> bool:
        """Whether, after a setback, a database that it was about is away still, or one of these others."""
        if not partition.setbacks:
            return False
        away = partition.away
        alias = first_away(away.databases.union(databases))
        if alias is None:
            away.looks = 0
            return False
        away.looks += 1
        if is_worth_a_line(away.looks):
            logger.warning(
                'consumer %s: %s waits for database "%s", which does not answer', self._consumer, partition, alias
            )
        return True

    def setback_seconds_of_batch(self, partition: Partition, reasons: Iterable[Exception]) -> float | None:
        """The same for a batch of which several failed: together they are one setback."""
        setback = next(filter(is_setback, reasons), None)
        return None if setback is None else self.setback_seconds(partition, setback)

    def decide(self, message: Message, error: Exception) -> Verdict:
        verdict = self._verdict(message, error)
        if isinstance(verdict, RetryLater):
            self._counts.add(failed=1)
            self._tell(message_failed, message, error)
            logger.warning(
                "consumer %s: attempt %d at %r failed, next in %.1f s: %s",
                self._consumer, message.attempt, message, verdict.delay_seconds, summarize(error),
            )  # fmt: skip
        return verdict

    def _verdict(self, message: Message, error: Exception) -> Verdict:
        try:
            return self._policy.decide(error, message.attempt)
        except Exception as broken:  # noqa: BLE001 - what a handler raises is code of its own too
            failure = HandlerError(f"what the handler raised can't be asked what to do: {summarize(broken)}")
            return self._policy.decide(failure, message.attempt)

    def prepare(self, partition: Partition, failure: Failure) -> None:
        """What may take long, before the transaction in which ``carry_out`` runs; raises what it raises."""
        if isinstance(failure.verdict, Park):
            if self._topic_ids is not None:
                partition.identify_by(self._topic_ids)
            line = partition.line
            self._parking.announce(failure.message, failure.error, partition.topic_id, lambda: line.is_stopping)

    def carry_out(self, partition: Partition, failure: Failure) -> None:
        """End the message as decided; raises what kept it from being ended, or ``ConsumerStoppedError``."""
        message, error, verdict = failure.message, failure.error, failure.verdict
        if isinstance(verdict, Stop):
            raise ConsumerStoppedError(
                f"consumer {self._consumer} stops at {message!r}, which stays uncommitted: {summarize(error)}"
            ) from error
        if isinstance(verdict, Park):
            self._parking.park(message, error, partition.topic_id)

    def parking_failed(self, partition: Partition, failure: Failure, error: Exception) -> float:
        """Alarm that a dead letter could not be written; how many seconds to wait before the next try."""
        partition.setbacks += 1
        logger.error(
            "consumer %s: %r can't be written as a dead letter, %s waits: %s",
            self._consumer, failure.message, partition, summarize(error),
        )  # fmt: skip
        return self._policy.outage_seconds(partition.setbacks)

    def note_end(self, failure: Failure) -> None:
        """Count and log an ending that is durable now."""
        message, error, verdict = failure.message, failure.error, failure.verdict
        if isinstance(verdict, Park):
            self._counts.add(parked=1)
            self._tell(message_parked, message, error)
            logger.error(
                "consumer %s: %r is a dead letter after %d attempt(s): %s",
                self._consumer, message, message.attempt, _given_reason(error) or summarize(error),
            )  # fmt: skip
        elif isinstance(verdict, Drop):
            self._counts.add(skipped=1)
            self._tell(message_skipped, message, error)
            logger.warning(
                "consumer %s: %r skipped: %s", self._consumer, message, _given_reason(error) or summarize(error)
            )

    def note_failed_hook(self, handled: list[Message], error: BaseException) -> None:
        """Count and log what an ``on_commit`` hook of these messages raised; raises what ends the process."""
        what = repr(handled[0]) if len(handled) == 1 else f"what {handled[0]!r} to {handled[-1]!r} did"
        tell_of_failed_hook(error, consumer=self._consumer, counts=self._counts, what=what)

    def _tell(self, signal: Signal, message: Message, error: Exception) -> None:
        signal.send_robust(sender=Message, consumer=self._consumer, message=message, exception=error)


def _given_reason(error: Exception) -> str:
    """What the handler says itself of its decision."""
    return escaped(shortened(reason_of(error))) if isinstance(error, Reject | Skip) else ""


def again(message: Message) -> Message:
    """The message for its next attempt, decoded anew: a handler may have changed what it was given."""
    return Message(message.raw, message.decoding, message.attempt + 1)


def halves(chunk: Chunk) -> list[Chunk]:
    """A failed batch as two smaller ones, which stay apart."""
    middle = len(chunk.messages) // 2
    return [Chunk(messages=half, is_narrowed=True) for half in (chunk.messages[:middle], chunk.messages[middle:])]


def failures_by_offset(messages: list[Message], error: Exception) -> dict[int, Exception]:
    """What a ``BatchError`` says of these messages; empty for any other error, or one that names others."""
    # A subclass with an __init__ of its own may have none, or what it likes.
    failures = attribute_of(error, "failures") if isinstance(error, BatchError) else None
    if not isinstance(failures, Mapping) or not all(map(_is_failure, failures.items())):
        return {}
    known = {_place(message) for message in messages}
    if not known.issuperset(map(_place, failures)):
        return {}
    return {message.offset: reason for message, reason in failures.items()}


def _is_failure(item: tuple[object, object]) -> bool:
    message, reason = item
    return isinstance(message, Message) and isinstance(reason, BaseException)


def _place(message: Message) -> tuple[str, int, int]:
    return message.topic, message.partition, message.offset

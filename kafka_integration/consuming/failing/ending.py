"""How a failure ends: waited out, tried again, or the end of its message, carried out and then told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from ...client.metadata.topic_ids import TopicIds
from ...dead_letters.parking import DeadLetters
from ...errors import ConsumerStoppedError, FencedError, HandlerError, KafkaIntegrationError
from ...message import Message
from ...observing.facts import AttemptFailed, Failed, Parked, ParkingFailed, SetBack, Skipped
from ...observing.log_fields import LogFields
from ...observing.observers import Observers
from ...placed_message import message_of
from ...retrying import is_worth_a_line
from ...summaries import summarize
from ..ordering.chunk import Drop, Failure, Park, RetryLater, Stop, Verdict
from ..ordering.stream import Stream
from .failure_policy import FailurePolicy
from .outages import cause_of, databases_of, first_away, is_conflict, is_setback, refuses_work

logger = logging.getLogger(__name__)

MAX_SETBACKS = 10
"""Lost connections or conflicts in a row at one message, the database being back each time, before it is to blame."""


@dataclass(frozen=True, kw_only=True)
class Endings:
    """Answers the failures of one consumer; any lane may ask.

    ``topic_ids`` tells a topic from a later one of the same name, where claiming doesn't already.
    """

    consumer: str
    group: str
    policy: FailurePolicy
    parking: DeadLetters
    observers: Observers
    topic_ids: TopicIds | None = None
    writing: Callable[[], AbstractContextManager[None]] = nullcontext
    """What is around the writing of a dead letter that has no transaction with the handler's effects."""

    def must_wait(self, stream: Stream, *databases: str) -> bool:
        """Whether, after a setback, a database that it was about is away still, or one of these others."""
        setbacks = stream.setbacks
        if not setbacks.in_a_row:
            return False
        alias = first_away(setbacks.databases.union(databases))
        if is_worth_a_line(setbacks.look(is_away=alias is not None)):
            logger.warning(
                'consumer %s: %s waits for database "%s", which does not answer',
                self.consumer, stream, alias, extra=LogFields(self.consumer, self.group).of(stream.key),
            )  # fmt: skip
        return alias is not None

    def wait_out(self, stream: Stream, *errors: Exception) -> float | None:
        """How long to wait out an outage or a conflict; None when the failure is the message's own.

        Of a batch several may have failed: together they are one setback.
        """
        error = next(filter(is_setback, errors), None)
        if error is None or (stream.setbacks.in_a_row >= MAX_SETBACKS and _may_be_to_blame(error)):
            return None
        if is_conflict(error):
            # Whoever refused a lock, or a transaction, is there.
            times, outage = stream.setbacks.meet_conflict(), None
            seconds = self.policy.conflict_seconds(times)
        else:
            times, outage = stream.setbacks.meet_outage(databases_of(error)), cause_of(error)
            seconds = self.policy.outage_seconds(times)
        self.observers.tell(SetBack(stream.key, error, times, seconds, outage))
        return seconds

    def of(self, stream: Stream, message: Message, error: Exception) -> Ending:
        """What becomes of a failure that is the message's own: decided, with nothing done yet, nor told of that."""
        if not is_setback(error):
            # It got as far as that: what kept it before is over.
            stream.setbacks.end()
        self.observers.tell(Failed(message, error))
        return Ending(self, stream, Failure(message, error, self._verdict(message, error)))

    def _verdict(self, message: Message, error: Exception) -> Verdict:
        try:
            return self.policy.decide(error, message.attempt)
        except Exception as broken:  # noqa: BLE001 - what a handler raises is code of its own too
            failure = HandlerError(f"what the handler raised can't be asked what to do: {summarize(broken)}")
            return self.policy.decide(failure, message.attempt)


class Ending:
    """What was decided about one failure at one message, in the order in which it is carried out."""

    def __init__(self, endings: Endings, stream: Stream, failure: Failure) -> None:
        self._endings = endings
        self._stream = stream
        self.failure = failure
        verdict = failure.verdict
        self.delay_seconds = verdict.delay_seconds if isinstance(verdict, RetryLater) else 0.0
        """How long to wait for the next attempt, or before it is carried out once more."""

    @property
    def is_final(self) -> bool:
        return not isinstance(self.failure.verdict, RetryLater)

    def retried(self) -> Message:
        """The message for its next attempt, decoded anew: a handler may have changed what it was given.

        Where a batch is done again, that goes for those of its messages, too, that would end.
        """
        message = self.failure.message
        if not self.is_final:
            self._endings.observers.tell(AttemptFailed(message, self.failure.error, self.delay_seconds))
        return message_of(message.raw, message.decoding, message.attempt + 1)

    def carry_out(self, finishing: AbstractContextManager[None]) -> Exception | None:
        """End the message within ``finishing``, after which it is finished, and tell; or what kept it from that.

        Raises ``ConsumerStoppedError`` where it is to stay uncommitted, and ``FencedError``.
        """
        try:
            self._prepare()
            with finishing:
                self._end()
        except (ConsumerStoppedError, FencedError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever kept it from being written, the offset waits
            self.delay_seconds = self._endings.policy.outage_seconds(self._stream.setbacks.fail_to_park())
            self._endings.observers.tell(ParkingFailed(self.failure.message, error))
            return error
        self.tell()
        return None

    def carry_out_within(self) -> None:
        """End the message in the transaction that is under way; raises what kept it from that."""
        self._prepare()
        self._end()

    def tell(self) -> None:
        """Say what is durable now."""
        failure, observers = self.failure, self._endings.observers
        if isinstance(failure.verdict, Park):
            observers.tell(Parked(failure.message, failure.error))
        elif isinstance(failure.verdict, Drop):
            observers.tell(Skipped(failure.message, failure.error))

    def _prepare(self) -> None:
        """What may take long, where possible before the transaction in which the message is ended."""
        stream, failure, endings = self._stream, self.failure, self._endings
        if isinstance(failure.verdict, Park):
            endings.parking.check_rate(failure.message, failure.error)
            if endings.topic_ids is not None:
                stream.identify_by(endings.topic_ids)
            line = stream.line
            endings.parking.announce(failure.message, failure.error, stream.claim.topic_id, lambda: line.is_stopping)

    def _end(self) -> None:
        message, error, verdict = self.failure.message, self.failure.error, self.failure.verdict
        if isinstance(verdict, Stop):
            raise ConsumerStoppedError(
                f"consumer {self._endings.consumer} stops at {message!r}, which stays uncommitted: {summarize(error)}"
            ) from error
        if isinstance(verdict, Park):
            with self._endings.writing():
                self._endings.parking.park(message, error, self._stream.claim.topic_id)


def _may_be_to_blame(error: Exception) -> bool:
    """Whether it came out of the handler, and is no server's word that it takes no work at all."""
    is_of_handler = isinstance(error, HandlerError) or not isinstance(error, KafkaIntegrationError)
    return is_of_handler and not refuses_work(error)

"""Handling messages in a transaction of ours: their effects, their offset and their dead letters commit together."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic

from django.db import connections, transaction

from ...errors import ConsumerStoppedError, FencedError, HandlerError, KafkaIntegrationError
from ...message import Message
from ..counts import Counts
from ..failing.outages import is_conflict, is_outage, is_setback
from ..failing.settling import Settling, again, failures_by_offset, halves
from ..failure_policy import RetryLater
from ..lanes.work import Remainder
from ..ledger import Ledger
from ..line import Chunk, Failure
from ..offsets.store import OffsetStore
from ..partition import Partition, State
from .deduplication import Deduplicator
from .invoking import TURN_SECONDS, Invoker
from .own_transaction import OwnTransaction


class _RollBack(Exception):  # noqa: N818 - carries what happened out of the transaction
    """The handler failed, and its transaction with it."""

    def __init__(self, error: Exception, delay_seconds: float = 0.0) -> None:
        self.error = error
        self.delay_seconds = delay_seconds


class TransactionalWork:
    """What a lane does with a chunk under ``offset_storage: "database"``, or where repeats are recognised.

    ``store`` is None where Kafka keeps the offsets. ``shares`` is True where the messages of a chunk share one
    transaction; a batch handler always has one of its own. ``deduplicator`` is what the handler is
    wrapped in.
    """

    def __init__(
        self,
        *,
        invoker: Invoker,
        settling: Settling,
        counts: Counts,
        database: str,
        store: OffsetStore | None,
        shares: bool,
        deduplicator: Deduplicator | None = None,
    ) -> None:
        self._invoker = invoker
        self._settling = settling
        self._counts = counts
        self._database = database
        self._store = store
        self._shares = shares or invoker.takes_batch
        self._deduplicator = deduplicator

    def handle(self, partition: Partition, chunk: Chunk) -> Remainder:
        if self._settling.must_wait(partition, self._database):
            return self._wait(chunk, 1.0)
        if chunk.failure is not None:
            return self._end(partition, chunk, chunk.failure)
        if self._shares and not chunk.one_by_one:
            return self._run(partition, chunk, chunk.messages)
        return self._run_one_by_one(partition, chunk)

    def _run_one_by_one(self, partition: Partition, chunk: Chunk) -> Remainder:
        """One transaction after the other, until there is something else to do or the lane's turn is over."""
        deadline = monotonic() + TURN_SECONDS
        while True:
            before = partition.ledger.finished
            remainder = self._run(partition, chunk, chunk.messages[:1])
            goes_on = bool(remainder.chunks) and partition.ledger.finished != before
            if not goes_on or partition.line.is_stopping or monotonic() > deadline:
                return remainder
            chunk = remainder.chunks[0]

    def _run(self, partition: Partition, chunk: Chunk, unit: list[Message]) -> Remainder:
        """Handle the first messages of the chunk in one transaction."""
        endings: list[Failure] = []
        own = OwnTransaction(self._database)
        try:
            if self._deduplicator is not None:
                self._deduplicator.identify(partition)
            # Django names it as the cause of whatever breaks a transaction later: an outage that is long over.
            connections[self._database].rollback_exc = None  # type: ignore[attr-defined]  # missing in the stubs
            with own:
                progress = self._invoker.run(unit, Ledger(unit[0].offset), partition)
                done = progress.done
                if connections[self._database].closed_in_transaction:
                    raise _RollBack(_closed(progress.error))
                if progress.error is not None:
                    endings = self._endings(unit, progress.error)
                    done = len(unit)
                for ending in endings:
                    self._settling.prepare(partition, ending)
                    self._settling.carry_out(partition, ending)
                self._save(partition, unit[0], unit[done - 1])
        except ConsumerStoppedError:
            raise
        except _RollBack as rolled_back:
            return self._fail(partition, chunk, unit, rolled_back.error, rolled_back.delay_seconds)
        except Exception as error:  # noqa: BLE001 - user code, and the COMMIT that checks it
            return self._fail(partition, chunk, unit, error)
        for ending in endings:
            self._settling.note_end(ending)
        self._counts.add(handled=done - len(endings))
        remainder = self._finish(partition, chunk, done)
        if own.hook_error is not None:
            self._settling.note_failed_hook(unit[:done], own.hook_error)
        return remainder

    def _endings(self, unit: list[Message], error: Exception) -> list[Failure]:
        """What ends the failures of a batch whose other effects are kept; ``_RollBack`` unless all of them are final.

        While one is to be retried all of it is rolled back and done again: only so has each message one effect. An
        outage or a conflict that the handler met at one of them is waited out, as if it had not been caught.
        """
        failed = self._named(unit, error)
        if not failed:
            raise _RollBack(error)
        if setback := next(filter(is_setback, failed.values()), None):
            raise _RollBack(setback)
        endings, delays = [], []
        for message in unit:
            if message.offset in failed:
                reason = failed[message.offset]
                verdict = self._settling.decide(message, reason)
                endings.append(Failure(message, reason, verdict))
                if isinstance(verdict, RetryLater):
                    delays.append(verdict.delay_seconds)
        if delays:
            raise _RollBack(error, max(delays))
        return endings

    def _fail(
        self, partition: Partition, chunk: Chunk, unit: list[Message], error: Exception, delay_seconds: float = 0.0
    ) -> Remainder:
        if isinstance(error, FencedError):
            return Remainder(reclaim=True)
        wait_seconds = self._settling.setback_seconds(partition, error)
        if wait_seconds is not None:
            # A lost connection may have lost only the answer to COMMIT: the next claim tells which.
            return self._wait(chunk, wait_seconds, in_doubt=not is_conflict(error))
        if failed := self._named(unit, error):
            retried = [again(message) if message.offset in failed else message for message in chunk.messages]
            return Remainder([replace(chunk, messages=retried, is_narrowed=True)], delay_seconds=delay_seconds)
        if len(unit) > 1:
            return Remainder(halves(chunk) if self._invoker.takes_batch else [replace(chunk, one_by_one=True)])
        message = unit[0]
        verdict = self._settling.decide(message, error)
        if isinstance(verdict, RetryLater):
            retried = [again(message), *chunk.messages[1:]]
            return Remainder([replace(chunk, messages=retried)], delay_seconds=verdict.delay_seconds)
        return self._end(partition, chunk, Failure(message, error, verdict))

    def _named(self, unit: list[Message], error: Exception) -> dict[int, Exception]:
        """The failures that a ``BatchError`` names; of a handler of single messages it says nothing of the others."""
        return failures_by_offset(unit, error) if self._invoker.takes_batch else {}

    def _end(self, partition: Partition, chunk: Chunk, failure: Failure) -> Remainder:
        """Park or skip the first message, and move the offset, in one transaction."""
        if partition.state is State.REVOKED:
            return Remainder()  # an overrun: whoever owns it now may handle the message well
        try:
            self._settling.prepare(partition, failure)
            with transaction.atomic(using=self._database):
                if self._deduplicator is not None:
                    # It has come to its end: from here on only its dead letter may take effect, and once.
                    self._deduplicator.remember(failure.message, partition.topic_id)
                self._settling.carry_out(partition, failure)
                self._save(partition, failure.message, failure.message)
        except ConsumerStoppedError:
            raise
        except FencedError:
            return Remainder(reclaim=True)
        except Exception as error:  # noqa: BLE001 - whatever kept it from being written, the offset waits
            delay_seconds = self._settling.parking_failed(partition, failure, error)
            # Only a lost connection leaves the COMMIT in doubt; else the message needs no second handling.
            is_lost = not isinstance(error, KafkaIntegrationError) and is_outage(error)
            return self._wait(replace(chunk, failure=failure), delay_seconds, in_doubt=is_lost)
        self._settling.note_end(failure)
        return self._finish(partition, chunk, 1)

    def _finish(self, partition: Partition, chunk: Chunk, done: int) -> Remainder:
        partition.setbacks = 0
        last = chunk.messages[done - 1]
        if self._store is not None:
            # First: what is finished and not stored would be taken for an end without messages.
            partition.stored = last.offset + 1
        partition.ledger.finish(last)
        rest = chunk.messages[done:]
        return Remainder([replace(chunk, messages=rest, failure=None)] if rest else [])

    def _wait(self, chunk: Chunk, seconds: float, *, in_doubt: bool = False) -> Remainder:
        return Remainder([chunk], delay_seconds=seconds, reclaim=in_doubt and self._store is not None)

    def _save(self, partition: Partition, first: Message, last: Message) -> None:
        """The transaction's last statement, which fails if the handler swallowed a database error."""
        if self._store is not None:
            self._store.save(partition, first=first.offset, next_offset=last.offset + 1)
        else:
            with connections[self._database].cursor() as cursor:
                cursor.execute("SELECT 1")


def _closed(error: Exception | None) -> HandlerError:
    """What a handler did that called ``connection.close()``, whatever it met after or before that."""
    failure = HandlerError(
        "the handler closed its database connection, and with it the transaction that its offset is part of: leave "
        "connections to the consumer, which replaces broken ones"
    )
    failure.__cause__ = error
    return failure

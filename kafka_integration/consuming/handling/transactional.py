"""Handling messages in a transaction of ours: their effects, their offset and their dead letters commit together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic

from django.db import Error as DatabaseLayerError
from django.db import connections, transaction

from ...errors import ConsumerStoppedError, FencedError, HandlerError, KafkaIntegrationError
from ...message import Message
from ...observing.facts import Handled
from ...observing.observers import Observers
from ..committing.saving import Saving
from ..failing.ending import Ending, Endings
from ..failing.outages import is_conflict, is_outage, is_setback, was_idle_too_long
from ..lanes.work import Remainder
from ..ordering.chunk import Chunk
from ..ordering.stream import State, Stream
from .batches import failures_by_offset, narrowed
from .deduplication import Deduplicator
from .invoking import TURN_SECONDS, Invoker, Progress
from .own_transaction import OwnTransaction


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
        endings: Endings,
        observers: Observers,
        database: str,
        saving: Saving,
        shares: bool,
        deduplicator: Deduplicator | None = None,
    ) -> None:
        self._invoker = invoker
        self._endings = endings
        self._observers = observers
        self._database = database
        self._saving = saving
        self._shares = shares or invoker.takes_batch
        self._deduplicator = deduplicator

    def handle(self, stream: Stream, chunk: Chunk) -> Remainder:
        if self._endings.must_wait(stream, self._database):
            return self._wait(chunk, 1.0, is_outage=True)
        if chunk.is_in_doubt:
            return self._resolve(stream, chunk)
        if chunk.failure is not None:
            return self._end(stream, chunk, Ending(self._endings, stream, chunk.failure))
        if self._shares and not chunk.one_by_one:
            return self._run(stream, chunk, chunk.messages)
        return self._run_one_by_one(stream, chunk)

    def _run_one_by_one(self, stream: Stream, chunk: Chunk) -> Remainder:
        """One transaction after the other, until there is something else to do or the lane's turn is over."""
        deadline = monotonic() + TURN_SECONDS
        while True:
            remainder = self._run(stream, chunk, chunk.messages[:1])
            goes_on = bool(remainder.chunks) and len(remainder.chunks[0].messages) < len(chunk.messages)
            if not goes_on or stream.line.is_halted or monotonic() > deadline:
                return remainder
            chunk = remainder.chunks[0]

    def _run(self, stream: Stream, chunk: Chunk, unit: Sequence[Message]) -> Remainder:
        """Handle the first messages of the chunk in one transaction."""
        own = OwnTransaction(self._database)
        is_saved = False
        try:
            if self._deduplicator is not None:
                self._deduplicator.identify(stream)
            # Django names it as the cause of whatever breaks a transaction later: an outage that is long over.
            connections[self._database].rollback_exc = None  # type: ignore[attr-defined]  # missing in the stubs
            with own:
                progress, endings = self._attempt(stream, unit)
                is_saved = progress.error is None
                if not is_saved:
                    own.roll_back()
        except ConsumerStoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - user code, and the COMMIT that checks it
            if is_saved and was_idle_too_long(error):
                # It wasn't the handler that did nothing before the COMMIT: this process was frozen.
                return self._wait(chunk, 0.0, in_doubt=True)
            return self._fail(stream, chunk, unit, error)
        if progress.error is not None:
            return self._fail(stream, chunk, unit, progress.error, endings)
        done = unit[: progress.done]
        self._finish(stream, done[-1])
        for ending in endings:
            ending.tell()
        repeats = 0 if self._deduplicator is None else self._deduplicator.tell_repeats()
        if count := len(done) - len(endings) - repeats:
            self._observers.tell(Handled(count, stream.topic))
        own.tell_of_failed_hook(self._observers, _described(done))
        return self._rest(chunk, len(done))

    def _attempt(self, stream: Stream, unit: Sequence[Message]) -> tuple[Progress, list[Ending]]:
        """Handle messages, and write what their transaction holds beside the handler's effects, unless it failed."""
        progress = self._invoker.run(unit, stream.line)
        endings: list[Ending] = []
        if connections[self._database].closed_in_transaction:
            return Progress(0, _closed(progress.error)), endings
        if progress.error is not None:
            progress, endings = self._judge(stream, unit, progress.error)
        if progress.error is None:
            for ending in endings:
                ending.carry_out_within()
            self._saving.save(stream, unit[0], unit[progress.done - 1])
        return progress, endings

    def _judge(self, stream: Stream, unit: Sequence[Message], error: Exception) -> tuple[Progress, list[Ending]]:
        """The effects of a batch are kept where all of its failures are final.

        While one is to be retried all of it is rolled back and done again: only so has each message one effect. An
        outage or a conflict that the handler met at one of them is waited out, as if it had not been caught.
        """
        failed = failures_by_offset(unit, error) if self._invoker.takes_batch else {}
        setback = next(filter(is_setback, failed.values()), None)
        if setback is not None or not failed:
            return Progress(0, error if setback is None else setback), []
        at_fault = [message for message in unit if message.offset in failed]
        endings = [self._endings.of(stream, message, failed[message.offset]) for message in at_fault]
        is_final = all(ending.is_final for ending in endings)
        return Progress(len(unit)) if is_final else Progress(0, error), endings

    def _fail(
        self,
        stream: Stream,
        chunk: Chunk,
        unit: Sequence[Message],
        error: Exception,
        endings: Sequence[Ending] = (),
    ) -> Remainder:
        if isinstance(error, FencedError):
            return Remainder(reclaim=True)
        wait_seconds = self._endings.wait_out(stream, error)
        if wait_seconds is not None:
            # A lost connection may have lost only the answer to COMMIT.
            return self._wait(chunk, wait_seconds, is_outage=not is_conflict(error), in_doubt=not is_conflict(error))
        if endings:
            retried = {ending.failure.message: ending.retried() for ending in endings}
            messages = [retried.get(message, message) for message in chunk.messages]
            delay_seconds = max(ending.delay_seconds for ending in endings)
            return Remainder([replace(chunk, messages=messages, is_narrowed=True)], delay_seconds=delay_seconds)
        if len(unit) > 1:
            return Remainder(narrowed(chunk, error) if self._invoker.takes_batch else [replace(chunk, one_by_one=True)])
        ending = self._endings.of(stream, unit[0], error)
        if ending.is_final:
            return self._end(stream, chunk, ending)
        next_chunk = replace(chunk, messages=[ending.retried(), *chunk.messages[1:]])
        return Remainder([next_chunk], delay_seconds=ending.delay_seconds)

    def _end(self, stream: Stream, chunk: Chunk, ending: Ending) -> Remainder:
        if stream.state is State.REVOKED:
            return Remainder()  # an overrun: whoever owns it now may handle the message well
        try:
            unwritten = ending.carry_out(self._finishing(stream, chunk.messages[0]))
        except FencedError:
            return Remainder(reclaim=True)
        if unwritten is not None:
            # Only a lost connection leaves the COMMIT in doubt; else the message needs no second handling.
            is_lost = not isinstance(unwritten, KafkaIntegrationError) and is_outage(unwritten)
            return self._wait(replace(chunk, failure=ending.failure), ending.delay_seconds, in_doubt=is_lost)
        return self._rest(chunk, 1)

    @contextmanager
    def _finishing(self, stream: Stream, message: Message) -> Iterator[None]:
        """Park or skip the message within, and move the offset, in one transaction."""
        with transaction.atomic(using=self._database):
            if self._deduplicator is not None:
                # It has come to its end: from here on only its dead letter may take effect, and once.
                self._deduplicator.remember(message, stream.claim.topic_id)
            yield
            self._saving.save(stream, message, message)
        self._finish(stream, message)

    def _finish(self, stream: Stream, last: Message) -> None:
        stream.setbacks.forget()
        # First, because the ledger's word is what the stored offset is moved by.
        self._saving.note(stream, last)
        stream.ledger.finish(last)

    def _resolve(self, stream: Stream, chunk: Chunk) -> Remainder:
        """Go on behind a message of which the COMMIT went through unheard, or handle it again."""
        message, failure = chunk.messages[0], chunk.failure
        try:
            is_saved = self._saving.is_saved(stream, message)
        except FencedError:
            return Remainder(reclaim=True)
        except DatabaseLayerError as error:
            return self._wait(chunk, self._endings.wait_out(stream, error) or 1.0, is_outage=not is_conflict(error))
        if not is_saved:
            return self.handle(stream, replace(chunk, is_in_doubt=False))
        self._finish(stream, message)
        if failure is None:
            self._observers.tell(Handled(1, stream.topic))
        else:
            Ending(self._endings, stream, failure).tell()
        return self._rest(chunk, 1)

    def _rest(self, chunk: Chunk, done: int) -> Remainder:
        rest = chunk.messages[done:]
        return Remainder([replace(chunk, messages=rest, failure=None, is_in_doubt=False)] if rest else [])

    def _wait(self, chunk: Chunk, seconds: float, *, is_outage: bool = False, in_doubt: bool = False) -> Remainder:
        remainder = Remainder([chunk], delay_seconds=seconds, is_outage=is_outage)
        return self._saving.doubt(remainder) if in_doubt else remainder


def _described(messages: Sequence[Message]) -> str:
    first, last = messages[0], messages[-1]
    return repr(first) if first is last else f"what {first!r} to {last!r} did"


def _closed(error: Exception | None) -> HandlerError:
    """What a handler did that called ``connection.close()``, whatever it met after or before that."""
    failure = HandlerError(
        "the handler closed its database connection, and with it the transaction that its offset is part of: leave "
        "connections to the consumer, which replaces broken ones"
    )
    failure.__cause__ = error
    return failure

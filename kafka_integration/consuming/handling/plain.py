"""Handling messages whose offsets Kafka keeps: at least once, in the order of the partition."""

from __future__ import annotations

from dataclasses import replace

from ...errors import ConsumerStoppedError
from ...message import Message
from ..counts import Counts
from ..failing.outages import is_setback
from ..failing.settling import Settling, again, failures_by_offset, halves
from ..failure_policy import RetryLater
from ..lanes.work import Remainder
from ..line import Chunk, Failure
from ..partition import Partition, State
from .invoking import Invoker


class PlainWork:
    """What a lane does with a chunk; every method runs in the lane's thread."""

    def __init__(self, *, invoker: Invoker, settling: Settling, counts: Counts) -> None:
        self._invoker = invoker
        self._settling = settling
        self._counts = counts

    def handle(self, partition: Partition, chunk: Chunk) -> Remainder:
        if chunk.failure is not None:
            return self._end(partition, chunk, chunk.failure)
        if self._settling.must_wait(partition):
            return Remainder([chunk], delay_seconds=1.0)
        progress = self._invoker.run(chunk.messages, partition.ledger, partition)
        self._counts.add(handled=progress.done)
        rest = chunk.messages[progress.done :]
        if progress.done:
            partition.setbacks = 0
        if progress.error is None:
            return self._rest(partition, chunk, rest)
        return self._fail(partition, replace(chunk, messages=rest), progress.error)

    def _rest(self, partition: Partition, chunk: Chunk, rest: list[Message]) -> Remainder:
        """The chunk without its finished messages."""
        if rest:
            return Remainder([replace(chunk, messages=rest, failure=None)])
        if chunk.through is not None:
            partition.ledger.finish(chunk.through)
        return Remainder()

    def _fail(self, partition: Partition, chunk: Chunk, error: Exception) -> Remainder:
        wait_seconds = self._settling.setback_seconds(partition, error)
        if wait_seconds is not None:
            return Remainder([chunk], delay_seconds=wait_seconds)
        if self._invoker.takes_batch:
            if failed := failures_by_offset(chunk.messages, error):
                return self._keep_the_others(partition, chunk, failed)
            if len(chunk.messages) > 1:
                return Remainder(halves(chunk))
        return self._decide(partition, chunk, error)

    def _decide(self, partition: Partition, chunk: Chunk, error: Exception) -> Remainder:
        message = chunk.messages[0]
        verdict = self._settling.decide(message, error)
        if isinstance(verdict, RetryLater):
            retried = replace(chunk, messages=[again(message), *chunk.messages[1:]])
            return Remainder([retried], delay_seconds=verdict.delay_seconds)
        return self._end(partition, chunk, Failure(message, error, verdict))

    def _end(self, partition: Partition, chunk: Chunk, failure: Failure) -> Remainder:
        if partition.state is State.REVOKED:
            return Remainder()  # an overrun: whoever owns it now may handle the message well
        try:
            self._settling.prepare(partition, failure)
            self._settling.carry_out(partition, failure)
        except ConsumerStoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever kept it from being written, the offset waits
            # The offset must not move past a message that is kept nowhere: wait, and only write it again.
            delay_seconds = self._settling.parking_failed(partition, failure, error)
            return Remainder([replace(chunk, failure=failure)], delay_seconds=delay_seconds)
        partition.setbacks = 0
        partition.ledger.finish(failure.message)
        self._settling.note_end(failure)
        return self._rest(partition, chunk, chunk.messages[1:])

    def _keep_the_others(self, partition: Partition, chunk: Chunk, failed: dict[int, Exception]) -> Remainder:
        """The messages that a ``BatchError`` names are left, each on its own; the others count as handled."""
        left = [message for message in chunk.messages if message.offset in failed]
        self._counts.add(handled=len(chunk.messages) - len(left))
        wait_seconds = self._settling.setback_seconds_of_batch(partition, failed.values())
        chunks: list[Chunk] = []
        delays = [wait_seconds or 0.0]
        for message in left:
            reason = failed[message.offset]
            if wait_seconds is not None and is_setback(reason):
                chunks.append(Chunk(messages=[message], is_narrowed=True))
                continue
            verdict = self._settling.decide(message, reason)
            if isinstance(verdict, RetryLater):
                delays.append(verdict.delay_seconds)
                chunks.append(Chunk(messages=[again(message)], is_narrowed=True))
            else:
                chunks.append(Chunk(messages=[message], failure=Failure(message, reason, verdict)))
        chunks[-1] = replace(chunks[-1], through=chunk.through or chunk.messages[-1])
        # They keep their order, so the first one waits for the longest delay: none may come before its time.
        return Remainder(chunks, delay_seconds=max(delays))

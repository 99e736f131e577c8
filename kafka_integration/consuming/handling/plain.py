"""Handling messages whose offsets Kafka keeps: at least once, in the order of the partition or its key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ...message import Message
from ...observing.facts import Handled
from ...observing.observers import Observers
from ..failing.ending import Ending, Endings
from ..failing.outages import is_conflict, is_setback
from ..lanes.work import Remainder
from ..ordering.chunk import Chunk
from ..ordering.stream import State, Stream
from .batches import failures_by_offset, narrowed
from .invoking import Invoker, Progress


class PlainWork:
    """What a lane does with a chunk: ``handle``, in the lane's thread.

    Where the handler itself runs on an event loop, the other methods are its steps, each in a thread that may wait, but
    for ``conclude`` where nothing failed.
    """

    def __init__(self, *, invoker: Invoker, endings: Endings, observers: Observers) -> None:
        self._invoker = invoker
        self._endings = endings
        self._observers = observers

    def handle(self, stream: Stream, chunk: Chunk) -> Remainder:
        if chunk.failure is not None:
            return self.end(stream, chunk)
        if (waiting := self.wait(stream, chunk)) is not None:
            return waiting
        concluded = self.conclude(stream, chunk, self._invoker.run(chunk.messages, stream.line, stream.ledger))
        return concluded if isinstance(concluded, Remainder) else self.end(stream, concluded)

    def wait(self, stream: Stream, chunk: Chunk) -> Remainder | None:
        """With what to wait before anything of the chunk is handled; None if it may be."""
        if self._endings.must_wait(stream):
            return Remainder([chunk], delay_seconds=1.0, is_outage=True)
        return None

    def conclude(self, stream: Stream, chunk: Chunk, progress: Progress) -> Remainder | Chunk:
        """What is left of the chunk; a chunk where that is to be ended at once."""
        rest = chunk.messages[progress.done :]
        if progress.done:
            stream.setbacks.forget()
            self._observers.tell(Handled(progress.done, stream.topic))
        if progress.error is None:
            return self._rest(stream, chunk, rest)
        return self._fail(stream, replace(chunk, messages=rest), progress.error)

    def end(self, stream: Stream, chunk: Chunk) -> Remainder:
        """Carry out what was decided about the chunk's first message."""
        assert chunk.failure is not None
        if stream.state is State.REVOKED:
            return Remainder()  # an overrun: whoever owns it now may handle the message well
        ending = Ending(self._endings, stream, chunk.failure)
        if ending.carry_out(self._finishing(stream, chunk.messages[0])) is not None:
            # The offset must not move past a message that is kept nowhere: wait, and only write it again.
            return Remainder([chunk], delay_seconds=ending.delay_seconds)
        return self._rest(stream, chunk, chunk.messages[1:])

    def _rest(self, stream: Stream, chunk: Chunk, rest: Sequence[Message]) -> Remainder:
        """The chunk without its finished messages."""
        if rest:
            return Remainder([replace(chunk, messages=rest, failure=None)])
        if chunk.through is not None:
            stream.ledger.finish(chunk.through)
        return Remainder()

    def _fail(self, stream: Stream, chunk: Chunk, error: Exception) -> Remainder | Chunk:
        wait_seconds = self._endings.wait_out(stream, error)
        if wait_seconds is not None:
            return Remainder([chunk], delay_seconds=wait_seconds, is_outage=not is_conflict(error))
        if self._invoker.takes_batch:
            if failed := failures_by_offset(chunk.messages, error):
                return self._keep_the_others(stream, chunk, failed)
            if len(chunk.messages) > 1:
                return Remainder(narrowed(chunk, error))
        ending = self._endings.of(stream, chunk.messages[0], error)
        if ending.is_final:
            return replace(chunk, failure=ending.failure)
        retried = replace(chunk, messages=[ending.retried(), *chunk.messages[1:]])
        return Remainder([retried], delay_seconds=ending.delay_seconds)

    @contextmanager
    def _finishing(self, stream: Stream, message: Message) -> Iterator[None]:
        yield
        stream.setbacks.forget()
        stream.ledger.finish(message)

    def _keep_the_others(self, stream: Stream, chunk: Chunk, failed: dict[int, Exception]) -> Remainder:
        """The messages that a ``BatchError`` names are left, each on its own; the others count as handled."""
        left = [message for message in chunk.messages if message.offset in failed]
        self._observers.tell(Handled(len(chunk.messages) - len(left), stream.topic))
        wait_seconds = self._endings.wait_out(stream, *failed.values())
        chunks: list[Chunk] = []
        delays = [wait_seconds or 0.0]
        for message in left:
            reason = failed[message.offset]
            if wait_seconds is not None and is_setback(reason):
                chunks.append(Chunk(messages=[message], is_narrowed=True))
                continue
            ending = self._endings.of(stream, message, reason)
            if ending.is_final:
                chunks.append(Chunk(messages=[message], failure=ending.failure))
            else:
                delays.append(ending.delay_seconds)
                chunks.append(Chunk(messages=[ending.retried()], is_narrowed=True))
        chunks[-1] = replace(chunks[-1], through=chunk.through or chunk.messages[-1])
        # They keep their order, so the first one waits for the longest delay: none may come before its time.
        return Remainder(chunks, delay_seconds=max(delays))

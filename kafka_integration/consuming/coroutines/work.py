"""Handling messages by an async handler, on an event loop, where Kafka keeps the offsets."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor

from ...placed_message import read_ahead
from ..handling.plain import PlainWork
from ..lanes.work import Remainder
from ..ordering.chunk import Chunk
from ..ordering.stream import State, Stream
from .awaiting import Awaiter


class CoroutineWork:
    """What a coroutine does with a chunk: ``handle``, on the event loop.

    What may take a while is done in threads beside it. Databases are asked in that of the handlers' own calls
    (``sync``), whose connections tell an outage from a bad message; what failed for good is ended in ``failures``;
    and messages whose schemas have to be asked for are read in ``reading``.
    """

    def __init__(self, *, path: str, plain: PlainWork, awaiter: Awaiter, reads_ahead: bool) -> None:
        self.path = path
        """The handler's."""
        self.reads_ahead = reads_ahead
        """Whether reading a message may take long, as somebody has to be asked for its schema."""
        self._plain = plain
        self._awaiter = awaiter

    async def handle(
        self, stream: Stream, chunk: Chunk, *, sync: Executor, failures: Executor, reading: Executor | None
    ) -> Remainder:
        plain, loop = self._plain, asyncio.get_running_loop()
        if chunk.failure is not None:
            return await loop.run_in_executor(failures, plain.end, stream, chunk)
        if stream.setbacks.in_a_row:
            waiting = await loop.run_in_executor(sync, plain.wait, stream, chunk)
            if waiting is not None:
                return waiting
        if reading is not None:
            await loop.run_in_executor(reading, read_ahead, chunk.messages)
        progress = await self._awaiter.run(chunk.messages, stream.line, stream.ledger)
        if progress.error is None:
            concluded = plain.conclude(stream, chunk, progress)
        elif stream.state is State.REVOKED:
            return Remainder()  # it was cancelled, or overran: whoever owns it now may handle the message well
        else:
            concluded = await loop.run_in_executor(sync, plain.conclude, stream, chunk, progress)
        if isinstance(concluded, Remainder):
            return concluded
        return await loop.run_in_executor(failures, plain.end, stream, concluded)

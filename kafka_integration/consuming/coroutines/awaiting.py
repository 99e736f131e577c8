"""Calling an async handler on an event loop, where others are at work beside it. What it does becomes ``Progress``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from time import monotonic
from typing import Any, Protocol

from ...message import Message
from ...messages import Messages, for_handler
from ...observing.handler_times import HandlerSeconds, Slow, note_nothing
from ...outcomes import BatchError
from ..handling.invoking import QUICK_SECONDS, TURN_SECONDS, Progress, as_failure, steer
from ..offsets.ledger import Ledger
from ..ordering.stream import Gate

SLICE_SECONDS = 0.02
"""How long handlers that never wait for anything may keep the event loop from the others."""

APART = 1000
"""For how many messages each has a task of its own, after one that left something in the task that it shared."""


class Awaiter(Protocol):
    """Runs the handler on consecutive messages of a partition, in a task that serves other messages too.

    What is finished is noted in the ledger.
    """

    takes_batch: bool

    async def run(self, messages: Sequence[Message], line: Gate, ledger: Ledger) -> Progress: ...


class AwaitEachMessage:
    """Awaits the handler for one message after the other, until told to stop or for ``TURN_SECONDS``.

    They share the task that calls this, which has to have an empty context. Once a message leaves a variable in it,
    each of those that follow has a task of its own, for a while.
    """

    takes_batch = False

    def __init__(
        self,
        begin: Callable[[Message], Awaitable[Any]],
        *,
        path: str,
        may_hold_back: bool,
        times: HandlerSeconds | None = None,
    ) -> None:
        self._begin = begin
        self._path = path
        self._may_hold_back = may_hold_back
        self._note = note_nothing if times is None else times.note
        self._apart = 0

    async def run(self, messages: Sequence[Message], line: Gate, ledger: Ledger) -> Progress:
        # The hot path of async handlers: a task for each message would take several times as long.
        begin, clock, finish, holds_back = self._begin, monotonic, ledger.finish, ledger.is_held_back
        is_cancelling = current_task().cancelling
        began_at = resumed_at = looked_at = clock()
        slow: list[Slow] = []
        is_clean, done = True, 0
        try:
            for message in messages:
                if is_clean and not self._apart:
                    result = await begin(message)
                    is_clean = not has_context()
                else:
                    result = await self._run_apart(message)
                if result is not None or holds_back:
                    holds_back = steer(ledger, message, result, path=self._path, may_hold_back=self._may_hold_back)
                else:
                    finish(message)
                done += 1
                if is_cancelling():
                    await absorb_cancellation()
                now = clock()
                if now - looked_at > QUICK_SECONDS:
                    slow.append((1, now - looked_at))
                looked_at = now
                if line.is_halted or now - began_at > TURN_SECONDS:
                    break
                if now - resumed_at > SLICE_SECONDS:
                    await asyncio.sleep(0)
                    resumed_at = clock()
        except BaseException as error:  # noqa: BLE001 - user code
            self._note(began_at, done + 1, slow, done, looked_at)
            return Progress(done, await failure_in_task(error))
        self._note(began_at, done, slow, done, looked_at)
        return Progress(done)

    async def _run_apart(self, message: Message) -> Any:
        self._apart = self._apart - 1 if self._apart else APART
        loop = asyncio.get_running_loop()
        result, error = await loop.create_task(_outcome(self._begin, message), context=Context())
        if error is not None:
            raise error
        return result


class AwaitWholeBatch:
    """Awaits the handler once with all the messages."""

    takes_batch = True

    def __init__(
        self,
        begin: Callable[[Messages], Awaitable[Any]],
        *,
        path: str,
        may_hold_back: bool,
        times: HandlerSeconds | None = None,
    ) -> None:
        self._begin = begin
        self._path = path
        self._may_hold_back = may_hold_back
        self._note = note_nothing if times is None else times.note

    async def run(self, messages: Sequence[Message], line: Gate, ledger: Ledger) -> Progress:
        began_at = monotonic()
        try:
            steer(
                ledger, messages[-1], await self._result(messages), path=self._path, may_hold_back=self._may_hold_back
            )
            await absorb_cancellation()
        except BaseException as error:  # noqa: BLE001 - user code
            return Progress(0, await failure_in_task(error))
        finally:
            self._note(began_at, 1, (), 0, began_at)
        return Progress(len(messages))

    async def _result(self, messages: Sequence[Message]) -> Any:
        try:
            return await self._begin(for_handler(messages))
        except BatchError as error:
            if error.failures:
                raise
            # It names none: all count as handled.
            return None


def current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


def has_context() -> bool:
    """Whether a message left a variable in the context of this task, which was empty."""
    return len(copy_context()) > 0


async def failure_in_task(error: BaseException) -> Exception:
    """What a handler raised in this task, which may go on then; what ends the process is raised again."""
    failure = as_failure(error)
    await absorb_cancellation()
    return failure


async def absorb_cancellation() -> None:
    """See that one that was asked for strikes no other message."""
    task = current_task()
    while task.cancelling():
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        task.uncancel()


async def _outcome(begin: Callable[[Message], Awaitable[Any]], message: Message) -> tuple[Any, BaseException | None]:
    """In a task of its own, which lets nothing out: what ends the process would end the event loop."""
    try:
        return await begin(message), None
    except BaseException as error:  # noqa: BLE001 - user code
        return None, error

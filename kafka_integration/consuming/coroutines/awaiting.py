"""Calling an async handler on an event loop, where others are at work beside it. What it does becomes ``Progress``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from time import monotonic
from typing import Any, Protocol

from ...message import Message
from ...messages import Messages, for_handler
from ...outcomes import BatchError
from ..handling.invoking import TURN_SECONDS, Progress, as_failure, steer
from ..ledger import Ledger
from ..stream import Gate

SLICE_SECONDS = 0.02
"""How long handlers that never wait for anything may keep the event loop from the others."""


class Awaiter(Protocol):
    """Runs the handler on consecutive messages of a partition, in a task that serves other messages too.

    What is finished is noted in the ledger.
    """

    takes_batch: bool

    async def run(self, messages: Sequence[Message], line: Gate, ledger: Ledger) -> Progress: ...


class AwaitEachMessage:
    """Awaits the handler for one message after the other, until told to stop or for ``TURN_SECONDS``.

    They share the task that calls this, which has to have an empty context: a message that leaves something of its own
    in the task is the last of the run.
    """

    takes_batch = False

    def __init__(self, begin: Callable[[Message], Awaitable[Any]], *, path: str, may_hold_back: bool) -> None:
        self._begin = begin
        self._path = path
        self._may_hold_back = may_hold_back

    async def run(self, messages: Sequence[Message], line: Gate, ledger: Ledger) -> Progress:
        # The hot path of async handlers: a task for each message would take ten times as long.
        begin, clock, finish, holds_back = self._begin, monotonic, ledger.finish, ledger.is_held_back
        is_marked = marks_of_task()
        began_at = resumed_at = clock()
        done = 0
        try:
            for message in messages:
                result = await begin(message)
                if result is not None or holds_back:
                    holds_back = steer(ledger, message, result, path=self._path, may_hold_back=self._may_hold_back)
                else:
                    finish(message)
                done += 1
                now = clock()
                if line.is_stopping or is_marked() or now - began_at > TURN_SECONDS:
                    break
                if now - resumed_at > SLICE_SECONDS:
                    await asyncio.sleep(0)
                    resumed_at = clock()
        except BaseException as error:  # noqa: BLE001 - user code
            return Progress(done, as_failure(error))
        return Progress(done)


class AwaitWholeBatch:
    """Awaits the handler once with all the messages."""

    takes_batch = True

    def __init__(self, begin: Callable[[Messages], Awaitable[Any]], *, path: str, may_hold_back: bool) -> None:
        self._begin = begin
        self._path = path
        self._may_hold_back = may_hold_back

    async def run(self, messages: Sequence[Message], line: Gate, ledger: Ledger) -> Progress:
        try:
            steer(
                ledger, messages[-1], await self._result(messages), path=self._path, may_hold_back=self._may_hold_back
            )
        except BaseException as error:  # noqa: BLE001 - user code
            return Progress(0, as_failure(error))
        return Progress(len(messages))

    async def _result(self, messages: Sequence[Message]) -> Any:
        try:
            return await self._begin(for_handler(messages))
        except BatchError as error:
            if error.failures:
                raise
            # It names none: all count as handled.
            return None


def marks_of_task() -> Callable[[], bool]:
    """Asks whether a message left something in this task that must not reach the next one.

    That is a context variable, or a cancellation that was asked for and has not struck yet.
    """
    task = asyncio.current_task()
    assert task is not None
    is_cancelling = task.cancelling
    return lambda: bool(len(copy_context()) or is_cancelling())

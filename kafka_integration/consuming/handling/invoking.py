"""Calling the handler: message by message, or with a whole batch. What it returns or raises becomes ``Progress``."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from ...errors import HandlerError
from ...exception_chains import ends_process
from ...message import Message
from ...messages import Messages, for_handler
from ...observing.handler_times import HandlerSeconds, Slow, note_nothing
from ...outcomes import NO_COMMIT, BatchError, CommitThrough
from ...summaries import summarize
from ..offsets.ledger import Ledger
from ..ordering.stream import Gate
from .left_open import HandlerTransactions

TURN_SECONDS = 1.0
"""How long a lane stays with one chunk before it looks after its other partitions and its connections."""
QUICK_MESSAGES, QUICK_SECONDS = 8, 0.001
"""While so many take less, the clock is read once for as many: each time, it would cost more than a trivial handler."""


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` messages are finished; ``error`` is what the next one, or the whole batch, raised."""

    done: int
    error: Exception | None = None


class Invoker(Protocol):
    """Runs the handler on consecutive messages of a partition, whose line says whether to go on.

    What is finished is noted in the ledger; without one, nobody is to know before their transaction is committed.
    """

    takes_batch: bool

    def run(self, messages: Sequence[Message], line: Gate, ledger: Ledger | None = None) -> Progress: ...


class EachMessage:
    """Calls the handler once for each message, until told to stop or for ``TURN_SECONDS``."""

    takes_batch = False

    def __init__(
        self, call: Callable[[Message], Any], *, path: str, may_hold_back: bool, times: HandlerSeconds | None = None
    ) -> None:
        self._call = call
        self._path = path
        self._may_hold_back = may_hold_back
        self._note = note_nothing if times is None else times.note

    def run(self, messages: Sequence[Message], line: Gate, ledger: Ledger | None = None) -> Progress:
        # The hot path of every consumer: two calls and four looks a message.
        call, transactions = self._call, HandlerTransactions()
        looked_at = began_at = monotonic()
        deadline = began_at + TURN_SECONDS
        finish, holds_back = (_keep_quiet, False) if ledger is None else (ledger.finish, ledger.is_held_back)
        done, look_next, looked = 0, 1, 0
        slow: list[Slow] = []
        try:
            with transactions:
                for message in messages:
                    result = call(message)
                    if transactions.were_used:
                        _refuse_left_open(transactions, path=self._path)
                    if result is not None or holds_back:
                        holds_back = steer(ledger, message, result, path=self._path, may_hold_back=self._may_hold_back)
                    else:
                        finish(message)
                    done += 1
                    if line.is_halted:
                        break
                    if done >= look_next:
                        if (now := monotonic()) > deadline:
                            break
                        if now - looked_at < QUICK_SECONDS:
                            look_next = done + QUICK_MESSAGES
                        else:
                            look_next = done + 1
                            slow.append((done - looked, now - looked_at))
                        looked, looked_at = done, now
        except BaseException as error:  # noqa: BLE001 - user code
            self._note(began_at, done + 1, slow, looked, looked_at)
            return Progress(done, _failure(error, transactions, path=self._path))
        self._note(began_at, done, slow, looked, looked_at)
        return Progress(done)


class WholeBatch:
    """Calls the handler once with all the messages."""

    takes_batch = True

    def __init__(
        self, call: Callable[[Messages], Any], *, path: str, may_hold_back: bool, times: HandlerSeconds | None = None
    ) -> None:
        self._call = call
        self._path = path
        self._may_hold_back = may_hold_back
        self._note = note_nothing if times is None else times.note

    def run(self, messages: Sequence[Message], line: Gate, ledger: Ledger | None = None) -> Progress:
        transactions, began_at = HandlerTransactions(), monotonic()
        try:
            result = self._result(messages)
            _refuse_left_open(transactions, path=self._path)
            steer(ledger, messages[-1], result, path=self._path, may_hold_back=self._may_hold_back)
        except BaseException as error:  # noqa: BLE001 - user code
            return Progress(0, _failure(error, transactions, path=self._path))
        finally:
            self._note(began_at, 1, (), 0, began_at)
        return Progress(len(messages))

    def _result(self, messages: Sequence[Message]) -> Any:
        try:
            return self._call(for_handler(messages))
        except BatchError as error:
            if error.failures:
                raise
            # It names none: all count as handled.
            return None


def steer(ledger: Ledger | None, last: Message, result: Any, *, path: str, may_hold_back: bool) -> bool:
    """Finish through ``last`` and do what the handler's result asks of the commit; True while it is held back."""
    holds_back = isinstance(result, CommitThrough) or result is NO_COMMIT
    if holds_back and not may_hold_back:
        raise HandlerError(
            f"{path} returned {type(result).__name__}, but its offsets are saved in the transaction of its own "
            f'writes, or in no order: return nothing, or use offset_storage "kafka" and ordering "partition" '
            f"without deduplicate"
        )
    # Not whatever can be awaited: a task or a delivery goes on by itself.
    if inspect.iscoroutine(result) or inspect.isgenerator(result):
        result.close()  # else Python warns, some time later, that nobody awaited it
        raise HandlerError(
            f"{path} returned a {type(result).__name__}, and nothing of it has run: declare the handler itself "
            f'"async def" (a decorator may hide that it is), or let it do its work before it returns'
        )
    if ledger is None:
        return False
    if result is NO_COMMIT:
        ledger.hold_back()
    elif isinstance(result, CommitThrough):
        # In this order, and never further than handled: the loop may look in between.
        ledger.commit_through(min(result.message.offset, last.offset) + 1)
    ledger.finish(last)
    if not holds_back:
        ledger.release()
    return holds_back


def as_failure(error: BaseException) -> Exception:
    """What a handler raised, as a failure of its message; what ends the process is raised again."""
    if isinstance(error, Exception):
        return error
    if ends_process(error):
        raise error
    is_cancelled = isinstance(error, asyncio.CancelledError)
    what = "was cancelled" if is_cancelled else f"raised {summarize(error)}, which is no Exception"
    failure = HandlerError(f"the handler {what}")
    failure.__cause__ = error
    return failure


def _keep_quiet(message: Message) -> None:
    """Note nothing: whoever commits the message's transaction does."""


def _refuse_left_open(transactions: HandlerTransactions, *, path: str) -> None:
    if alias := transactions.left_open():
        raise _left_open(path, alias)


def _left_open(path: str, alias: str) -> HandlerError:
    return HandlerError(
        f'{path} returned with a transaction open in database "{alias}": what it wrote there is rolled back; '
        "commit it, or use transaction.atomic() in a with statement or as a decorator"
    )


def _failure(error: BaseException, transactions: HandlerTransactions, *, path: str) -> Exception:
    """What a handler raised, once nothing of it is left open; what ends the process is raised again."""
    alias = transactions.roll_back()
    if alias is not None and isinstance(error, BatchError):
        # What the others wrote is rolled back with it: none of them counts as handled.
        return _left_open(path, alias)
    return as_failure(error)

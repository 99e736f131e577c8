"""What a handler raises or returns to steer what happens to its message.

These are decisions, not errors: ``Retry``, ``Skip`` and ``Reject`` are raised, ``CommitThrough`` and
``NO_COMMIT`` are returned (Kaffe's ``{:ok, offset}`` and ``{:ok, :no_commit}``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from .errors import HandlerError, KafkaIntegrationError
from .message import Message

MAX_SECONDS = 1e9


class Decision(Exception):  # noqa: N818 - steers, is no error
    """What a handler decided about its message."""


class Retry(Decision):
    """Handle the message again, ``after_seconds`` from now at the earliest (None: by the consumer's ``retry``).

    It uses up an attempt, so that a message can't retry for ever unless ``retry["attempts"]`` is None.
    """

    # Here too, and for the others below: a subclass may have an __init__ of its own that doesn't call this one.
    after_seconds: float | None = None

    def __init__(self, after_seconds: float | None = None) -> None:
        if after_seconds is not None and not is_seconds(after_seconds):
            raise HandlerError(
                f"Retry was given a {type(after_seconds).__name__} that is no number of seconds: give an int or float "
                "(of a timedelta its total_seconds()), or nothing"
            )
        self.after_seconds = after_seconds
        super().__init__(after_seconds)


class Skip(Decision):
    """Drop the message: it is counted as skipped, committed, and not kept."""

    reason: str = ""

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        super().__init__(reason)


class Reject(Decision):
    """Make the message a dead letter at once, without further attempts."""

    reason: str = ""

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        super().__init__(reason)


class BatchError(KafkaIntegrationError):
    """Raised by ``handle_messages``: these messages failed, all others of the batch count as handled."""

    def __init__(self, failures: Mapping[Message, Exception]) -> None:
        self.failures = dict(failures)
        for message, failure in self.failures.items():
            if not isinstance(message, Message) or not isinstance(failure, BaseException):
                raise HandlerError(
                    "BatchError takes {message: exception, …}, with the messages that the handler was given, and was "
                    f"given {{{type(message).__name__}: {type(failure).__name__}}}"
                )
        super().__init__(f"{len(self.failures)} message(s) of the batch failed")


class HandleApart(Decision):
    """Raised by a batch handler of ours that has done nothing: each of these messages has to be handled alone, and what
    is between them together, all in their order."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.offsets = frozenset(message.offset for message in messages)
        super().__init__()


class CommitThrough:
    """Returned by a handler: commit up to and including ``message``, and no further for now.

    ``message`` may be of an earlier batch. What comes after it is handled, and is committed with a later batch;
    after a restart it is delivered again. (Kaffe's ``{:ok, offset}``.)
    """

    __slots__ = ("message",)

    def __init__(self, message: Message) -> None:
        self.message = message


class NoCommit:
    """Type of ``NO_COMMIT``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NO_COMMIT"


NO_COMMIT: Final = NoCommit()
"""Returned by a handler: handled, but to be committed only with a later batch."""


def is_seconds(number: object) -> bool:
    """Whether one can wait so long."""
    return isinstance(number, int | float) and -MAX_SECONDS < number < MAX_SECONDS

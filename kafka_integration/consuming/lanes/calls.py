"""What the loop asks the threads of handlers to run, and how it hears of the result."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def answered(function: Callable[[], T]) -> tuple[Callable[[], None], Future[T]]:
    """The function as a call for another thread, and what will be its result."""
    answer: Future[T] = Future()

    def call() -> None:
        try:
            result = function()
        except BaseException as error:
            # Whoever waits for it need not wait any longer; it is the end of the thread all the same.
            answer.set_exception(error)
            raise
        answer.set_result(result)

    return call, answer

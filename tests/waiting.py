"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(
    condition: Callable[[], T],
    timeout: float = 10.0,
    message: str | Callable[[], str] = "",
    interval: float = 0.05,
) -> T:
    """The first truthy value of `condition()`; AssertionError once `timeout` seconds are over.

    `message` says what was waited for; give a function where the explanation costs something to make.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            text = message() if callable(message) else message
            raise AssertionError(f"after {timeout:g} s still not: {text or repr(condition)} (last value: {value!r})")
        time.sleep(interval)

"""What a handler does outside the databases, as a test counts it."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from numbers import Number
from typing import Any


class Outside:
    """``count`` tells what was done so far; ``reset``, where there is one, puts that back."""

    def __init__(self, count: Callable[[], Any] | None, reset: Callable[[], object] | None) -> None:
        self._count = count or (lambda: 0)
        self._reset = reset

    def watch(self) -> Callable[[], Any]:
        """Begins anew; what it returns tells what has been added since."""
        if self._reset is not None:
            self._reset()
            # A copy: what is returned may be the service's own list, which goes on.
            return lambda: copy(self._count())
        before = copy(self._count())
        return lambda: _added(before, self._count())


def _added(before: Any, now: Any) -> Any:
    if isinstance(before, Number) and isinstance(now, Number):
        return now - before  # type: ignore[operator]  # numbers of whatever kind
    if isinstance(before, (list, tuple)) and isinstance(now, (list, tuple)) and [*now[: len(before)]] == [*before]:
        return [*now[len(before) :]]
    raise ValueError(
        f"outside= gave a {type(now).__name__} of which it can't be told what a run added: return a number or a list "
        "that only grows, or give reset= too, which puts the service back before each run."
    )

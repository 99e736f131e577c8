"""What monitoring asks of the process that it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from ...observing.families import Sample


@dataclass(frozen=True, kw_only=True)
class Health:
    """What keeps a process from being alive, and what from being ready: a sentence each."""

    not_alive: tuple[str, ...] = ()
    not_ready: tuple[str, ...] = ()

    @property
    def is_alive(self) -> bool:
        return not self.not_alive

    @property
    def is_ready(self) -> bool:
        return not self.not_ready


class Watched(Protocol):
    """A process of consumers or of relays, or a family of processes; asked by any thread, at any time."""

    def health(self) -> Health: ...

    def samples(self) -> Iterable[Sample]: ...


Monitor = Callable[[Watched], AbstractContextManager[object]]
"""Looks at what it is given for as long as the block lasts."""

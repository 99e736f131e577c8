"""What a lane does besides messages, between its chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..partition import Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something to do besides messages, in the place of a partition's messages where it names one."""

    partition: Partition | None
    key_bytes: bytes | None = None
    """Where messages are handled by key, only those of this one wait."""
    run: Callable[[], bool]
    """Returns True if the partition has to be claimed again."""


class Tasks(Protocol):
    """What a lane has to do besides messages: replays."""

    def next(self, partitions: Sequence[Partition]) -> Task | None:
        """Asked after each chunk, in the lane's thread: cheap while there is nothing to do."""

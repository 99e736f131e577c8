"""What a process says of its consumers, as ``Process.consumers`` keeps it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class PartitionView:
    """One partition that a consumer owns.

    Where it is stuck, ``stuck_offset`` is its lowest unfinished message's, and ``busy_seconds`` how long its handler
    has been at work; None where it isn't.
    """

    topic: str
    partition: int
    position: int | None
    lag: int | None
    state: str
    reason: str | None
    stuck_offset: int | None
    time_lag_seconds: float | None
    busy_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class ConsumerView:
    """One consumer of a process. ``handled`` and ``failed`` count since it started; ``rate`` is a second's messages.

    ``time_seconds`` is where its time went within the last minute.
    """

    name: str
    group: str
    member_id: str | None
    state: str
    partitions: tuple[PartitionView, ...]
    handled: int
    failed: int
    rate: float | None
    time_seconds: dict[str, float] | None

    def as_dict(self) -> dict[str, Any]:
        """As ``Process.consumers`` keeps it."""
        shown = asdict(self)
        for partition in shown["partitions"]:
            if partition["busy_seconds"] is None:
                del partition["busy_seconds"]
        return shown

"""The lanes of a consumer: which one serves which partition, and what becomes of one that is stuck."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from time import monotonic
from typing import Protocol, TypeVar

from ...errors import TooManyStuckHandlersError
from ...message import Message
from ..partition import Partition
from .lane import Lane

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_ABANDONED = 8


class Server(Protocol):
    """Who runs the handlers of a partition, as the loop sees it."""

    @property
    def is_held_up(self) -> bool: ...

    def put(self, partition: Partition, messages: Sequence[Message], size: int) -> None: ...
    def call(self, function: Callable[[], T]) -> Future[T]: ...
    def clear(self, partition: Partition) -> None: ...
    def suspend(self, partition: Partition) -> None: ...
    def resume(self, partition: Partition) -> None: ...


class Pool(Protocol):
    """All who run a consumer's handlers, as the loop sees them."""

    @property
    def is_idle(self) -> bool: ...

    def adopt(self, partition: Partition) -> None: ...
    def of(self, partition: Partition) -> Server: ...
    def drop(self, partitions: list[Partition], deadline: float) -> list[Partition]: ...
    def let_go(self, partition: Partition) -> None: ...
    def abandon(self, partition: Partition) -> None: ...
    def halt(self) -> None: ...
    def stop_tasks(self) -> None: ...
    def stop(self, timeout: float) -> None: ...


class Lanes:
    """A fixed number of threads; stuck ones are replaced, up to ``MAX_ABANDONED`` or twice their number at a time."""

    def __init__(self, count: int, make_lane: Callable[[str], Lane]) -> None:
        self._make_lane = make_lane
        self._lanes: list[Lane] = []
        self._abandoned: list[Lane] = []
        self._lane_of: dict[Partition, Lane] = {}
        self._made = 0
        for _ in range(count):
            self._lanes.append(self._start())

    def adopt(self, partition: Partition) -> None:
        """Give a partition to the lane with the fewest, of those that aren't held up by a handler."""
        lane = min(self._lanes, key=lambda lane: (lane.is_held_up, lane.load))
        self._lane_of[partition] = lane
        lane.add(partition)

    def of(self, partition: Partition) -> Lane:
        return self._lane_of[partition]

    def drop(self, partitions: list[Partition], deadline: float) -> list[Partition]:
        """Begin nothing more of these and wait for what is in handlers' hands; those that overran the deadline."""
        for partition in partitions:
            self._lane_of[partition].drop(partition)
        return [p for p in partitions if not self._lane_of[p].wait_idle(p, deadline)]

    def let_go(self, partition: Partition) -> None:
        lane = self._lane_of.pop(partition, None)
        if lane is not None:
            lane.remove(partition)

    def abandon(self, partition: Partition) -> None:
        """Leave a stuck handler alone with its thread; its lane's other partitions go on in a new one."""
        stuck = self._lane_of.get(partition)
        if stuck is None or stuck.is_abandoned:
            return
        self._abandoned = [lane for lane in self._abandoned if not lane.join(0)]
        # One event may find a handler at work in every lane, and then another one.
        most = max(MAX_ABANDONED, 2 * len(self._lanes))
        if len(self._abandoned) >= most and partition.line.is_busy:
            raise TooManyStuckHandlersError(
                f"{most} handlers are still running past their deadline: their process has to be restarted"
            )
        others = stuck.give_up(partition)
        if others is None:
            return
        self._abandoned.append(stuck)
        fresh = self._start()
        self._lanes[self._lanes.index(stuck)] = fresh
        stuck.give_calls_to(fresh)
        for other in others:
            self._lane_of[other] = fresh
            fresh.add(other)

    @property
    def is_idle(self) -> bool:
        """True when no handler is running (stuck ones that were given up aside)."""
        busy = (partition.line.is_busy for lane in self._lanes for partition in lane.partitions)
        return not any(busy) and not any(lane.is_on_task for lane in self._lanes)

    def halt(self) -> None:
        """Begin no further message; any thread may say so, without waiting for the loop to notice."""
        for lane in list(self._lanes):
            lane.halt()

    def stop_tasks(self) -> None:
        """Begin nothing more besides messages."""
        for lane in self._lanes:
            lane.stop_tasks()

    def stop(self, timeout: float) -> None:
        """End the threads; one that doesn't return within ``timeout`` seconds is left behind, as it is a daemon."""
        for lane in self._lanes:
            lane.stop()
        deadline = monotonic() + timeout
        for lane in self._lanes:
            if not lane.join(max(0.0, deadline - monotonic())):
                logger.warning("%s did not end in time", lane.name)

    def _start(self) -> Lane:
        self._made += 1
        lane = self._make_lane(f"lane-{self._made}")
        lane.start()
        return lane

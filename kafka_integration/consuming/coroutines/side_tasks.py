"""What a consumer does besides messages, where those are handled by coroutines: one task after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from ..lanes.tasks import Task, Tasks
from ..lanes.turns import Turns
from ..lanes.work import Remainder
from ..ordering.shard import Shard
from ..partition import Partition
from .partition_turns import PartitionTurns
from .workers import Hand

TASKS_SECONDS = 1.0


class SideTasks:
    """Runs tasks in the thread that calls ``run``. ``lock`` guards ``turns``.

    A task in the place of messages waits for those in hand, and nothing else in their order is begun before.
    ``on_end`` is told that others may go on, under the lock.
    """

    def __init__(
        self,
        tasks: Tasks,
        *,
        turns: PartitionTurns | Turns,
        lock: threading.Lock,
        partitions: Sequence[Partition],
        on_end: Callable[[], None],
    ) -> None:
        self._tasks: Tasks | None = tasks
        self._turns: Any = turns
        self._lock = lock
        self._partitions = partitions
        self._on_end = on_end
        self._waiting: Task | None = None
        self._running: Task | None = None
        self._hand: Hand | None = None

    @property
    def is_busy(self) -> bool:
        return self._running is not None

    def is_at(self, partition: Partition) -> bool:
        """Whether it does something in the place of this partition's messages."""
        return self._running is not None and self._running.partition is partition

    def waits_for(self, stream: object) -> bool:
        """Whether a task is to be done in the place of these messages as soon as they are out of hand."""
        task = self._waiting
        if task is None or not isinstance(stream, Shard):
            return task is not None and task.partition is stream
        return task.partition is not None and (stream.key, stream.key_bytes) == (task.partition.key, task.key_bytes)

    def stop(self) -> None:
        """Begin no more; one under way may finish. Under the lock."""
        self._tasks = None

    def run(self) -> None:
        """Do what there is, until some wait or the turn is over."""
        deadline = monotonic() + TASKS_SECONDS
        while (task := self._next()) is not None and self._begin(task):
            needs_claim = False
            try:
                needs_claim = task.run()
            finally:
                self._end(Remainder(reclaim=needs_claim))
            if monotonic() > deadline:
                return

    def _next(self) -> Task | None:
        tasks = self._tasks
        if tasks is None or self._waiting is not None:
            return self._waiting
        with self._lock:
            partitions = tuple(self._partitions)
        return tasks.next(partitions)

    def _begin(self, task: Task) -> bool:
        """Have in hand what it takes the place of; False where it has to wait for that, or is not to be done."""
        partition = task.partition
        with self._lock:
            self._waiting = None
            if partition is not None:
                is_ours = partition in self._partitions and partition.may_begin
                if self._tasks is None or not is_ours or self._turns.is_probing:
                    self._turns.release(partition)
                    return False
                self._hand = self._turns.hold(partition, task.key_bytes)
                if self._hand is None:
                    self._waiting = task
                    return False
            self._running = task if self._tasks is not None else None
            return self.is_busy

    def _end(self, remainder: Remainder) -> None:
        with self._lock:
            hand, self._hand, self._running = self._hand, None, None
            if hand is not None:
                self._turns.give_back(hand, remainder)
            self._on_end()

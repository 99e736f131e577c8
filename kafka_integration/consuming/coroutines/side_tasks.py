"""What a consumer does besides messages, where those are handled by coroutines: one task after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

from ..lanes.tasks import Task, Tasks
from ..partition import Partition
from .partition_turns import PartitionTurns

TASKS_SECONDS = 1.0


class SideTasks:
    """Runs tasks in the thread that calls ``run``. ``lock`` guards ``turns``.

    A task in the place of a partition's messages waits for those in hand, and nothing else of it is begun before.
    ``on_end`` is told that a partition may go on, and how many chunks of it are ready.
    """

    def __init__(
        self,
        tasks: Tasks | None,
        *,
        turns: PartitionTurns,
        lock: threading.Lock,
        on_end: Callable[[int], None],
    ) -> None:
        self._tasks = tasks
        self._turns = turns
        self._lock = lock
        self._on_end = on_end
        self._waiting: Task | None = None
        self._running: Task | None = None

    @property
    def is_busy(self) -> bool:
        return self._running is not None

    def is_at(self, partition: Partition) -> bool:
        """Whether it does something in the place of this partition's messages."""
        return self._running is not None and self._running.partition is partition

    def waits_for(self, partition: object) -> bool:
        return self._waiting is not None and self._waiting.partition is partition

    def stop(self) -> None:
        """Begin no more; one under way may finish. Under the lock."""
        self._tasks = None

    def run(self) -> None:
        """Do what there is, until some wait or the turn is over."""
        deadline = monotonic() + TASKS_SECONDS
        while (task := self._next()) is not None and self._begin(task):
            try:
                task.run()
            finally:
                self._end(task)
            if monotonic() > deadline:
                return

    def _next(self) -> Task | None:
        if self._waiting is not None:
            return self._waiting
        tasks = self._tasks
        if tasks is None:
            return None
        with self._lock:
            partitions = self._turns.partitions
        return tasks.next(partitions)

    def _begin(self, task: Task) -> bool:
        with self._lock:
            self._waiting = None
            partition = task.partition
            if partition is not None:
                if self._tasks is None or partition not in self._turns.partitions or not partition.may_begin:
                    self._turns.free(partition)
                    return False
                if not self._turns.hold(partition):
                    self._waiting = task
                    return False
                self._turns.begin(partition)
            elif self._tasks is None:
                return False
            self._running = task
            return True

    def _end(self, task: Task) -> None:
        with self._lock:
            self._running = None
            self._on_end(0 if task.partition is None else self._turns.end(task.partition))

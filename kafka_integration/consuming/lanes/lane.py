"""Lanes: the threads that run handlers, each for the partitions it was given."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from time import monotonic
from typing import TypeVar

from ...message import Message
from ..ordering.chunk import Chunk
from ..partition import Partition
from .calls import answered
from .garbage import Garbage
from .tasks import Task, Tasks
from .work import UNIT_SECONDS, LaneWork, Remainder

T = TypeVar("T")

HELD_UP_SECONDS = 5.0


class Lane:
    """One thread and the partitions it serves, in turn, each in order.

    Its methods may be called from any thread. ``on_fault`` is told of what no handler's failure policy can answer: an
    exception of the lane's own work, SystemExit, a decision to stop. ``on_room`` is told when fewer messages wait.
    """

    IDLE_SECONDS = 0.5
    TASKS_SECONDS = 1.0

    def __init__(
        self,
        name: str,
        work: LaneWork,
        *,
        batch_size: int,
        on_fault: Callable[[BaseException], None],
        on_room: Callable[[], None],
        tasks: Tasks | None = None,
    ) -> None:
        self.name = name
        self.is_abandoned = False
        self.is_on_task = False
        """True while it does something that belongs to none of its partitions."""
        self._work = work
        self._tasks = tasks
        self._batch_size = batch_size
        self._on_fault = on_fault
        self._on_room = on_room
        self._condition = threading.Condition()
        self._partitions: list[Partition] = []
        self._calls: list[Callable[[], None]] = []
        self._is_stopping = False
        self._idle_at = 0.0
        self._garbage = Garbage()
        # A daemon: a handler that never returns must not keep the process from leaving at its deadline.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def load(self) -> int:
        return len(self._partitions)

    @property
    def is_held_up(self) -> bool:
        """Whether a handler is at one chunk for so long that it may never return."""
        now = monotonic()
        lines = [partition.line for partition in self.partitions]
        return any(line.is_busy and now - line.busy_since >= HELD_UP_SECONDS for line in lines)

    @property
    def partitions(self) -> tuple[Partition, ...]:
        return tuple(self._partitions)

    def add(self, partition: Partition) -> None:
        with self._condition:
            self._partitions.append(partition)
            self._condition.notify_all()

    def put(self, partition: Partition, messages: Sequence[Message], size: int) -> None:
        """Queue messages of a partition; ``size`` is what they weigh in memory, in bytes."""
        with self._condition:
            partition.line.put(messages, size)
            self._condition.notify_all()

    def call(self, function: Callable[[], T]) -> Future[T]:
        """Run something in the lane's thread, before its next chunk; what it returns."""
        call, answer = answered(function)
        with self._condition:
            self._calls.append(call)
            self._condition.notify_all()
        return answer

    def give_calls_to(self, other: Lane) -> None:
        """Leave what was to be run before the next chunk to another lane."""
        with self._condition:
            calls, self._calls = self._calls, []
        for call in calls:
            other.call(call)

    def give_up(self, partition: Partition) -> tuple[Partition, ...] | None:
        """Leave the thread to the handler of ``partition``; the others, for another lane. None if it has returned."""
        with self._condition:
            # Its deadline was a while ago: by now the lane may be at work for one of the others.
            if not partition.line.is_busy:
                return None
            self.is_abandoned = True
            others = tuple(other for other in self._partitions if other is not partition)
            self._partitions = [partition]
            return others

    def halt(self) -> None:
        """Begin nothing more of any partition."""
        with self._condition:
            for partition in self._partitions:
                partition.line.stop()

    def drop(self, partition: Partition) -> None:
        """Forget what waits, begin nothing more; what is in a handler's hands may finish."""
        with self._condition:
            partition.line.stop()
            partition.line.clear()
            self._condition.notify_all()

    def clear(self, partition: Partition) -> None:
        """Forget what waits; the partition goes on with what comes next."""
        with self._condition:
            partition.line.open()

    def suspend(self, partition: Partition) -> None:
        """Begin nothing more of it for now; what waits stays, and what is in a handler's hands may finish."""
        with self._condition:
            partition.line.suspend()

    def resume(self, partition: Partition) -> None:
        """What was suspended goes on."""
        with self._condition:
            partition.line.resume()
            self._condition.notify_all()

    def remove(self, partition: Partition) -> None:
        with self._condition:
            if partition in self._partitions:
                self._partitions.remove(partition)

    def wait_idle(self, partition: Partition, deadline: float) -> bool:
        """True once nothing of the partition is in a handler's hands, False at the (monotonic) deadline."""
        with self._condition:
            return self._condition.wait_for(lambda: not partition.line.is_busy, max(0.0, deadline - monotonic()))

    def stop_tasks(self) -> None:
        """Begin no more of them; one under way may finish."""
        with self._condition:
            self._tasks = None

    def stop(self) -> None:
        with self._condition:
            self._is_stopping = True
            self._condition.notify_all()

    def join(self, timeout: float) -> bool:
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except BaseException as fault:  # noqa: BLE001 - the top of a thread
            self._on_fault(fault)
        finally:
            self._work.close()

    def _turn(self) -> bool:
        step = self._next()
        if step is not None:
            step()
        elif self._is_stopping or self.is_abandoned:
            return False
        self._garbage.collect_if_due()
        if step is None or monotonic() >= self._idle_at:
            self._work.idle()
            self._idle_at = monotonic() + UNIT_SECONDS
        self._run_tasks()
        return True

    def _handle(self, partition: Partition, chunk: Chunk) -> None:
        try:
            remainder = self._work.handle(partition, chunk)
        except BaseException:
            self._leave(partition)
            raise
        self._settle(partition, chunk, remainder)

    def _run_tasks(self) -> None:
        """Do what there is besides messages, until some wait or the turn is over."""
        deadline = monotonic() + self.TASKS_SECONDS
        while (tasks := self._tasks) is not None and (task := tasks.next(self.partitions)) is not None:
            if not self._begin(task):
                return
            try:
                needs_claim = task.run()
            except BaseException:
                self._end(task)
                if task.partition is not None:
                    self._leave(task.partition)
                raise
            self._end(task, needs_claim=needs_claim)
            self._garbage.collect()
            if monotonic() > deadline or not all(partition.line.is_empty for partition in self.partitions):
                return

    def _begin(self, task: Task) -> bool:
        """Take the task's partition, so that whoever takes it away waits for us; False if that happened already."""
        with self._condition:
            if self._tasks is None or self._is_stopping or self.is_abandoned:
                return False
            partition = task.partition
            if partition is None:
                self.is_on_task = True
                return True
            if not partition.may_begin or partition not in self._partitions:
                return False
            partition.line.begin()
            return True

    def _end(self, task: Task, *, needs_claim: bool = False) -> None:
        with self._condition:
            self.is_on_task = False
            if task.partition is not None:
                task.partition.line.end()
                if needs_claim:
                    task.partition.line.fence()
            self._condition.notify_all()

    def _next(self) -> Callable[[], None] | None:
        """What to do next; None if there was nothing, after having waited for it a moment."""
        with self._condition:
            if self._calls:
                return self._calls.pop(0)
            partition, wait_seconds = self._choose()
            if partition is None and not self._is_stopping:
                self._condition.wait(wait_seconds)
                if self._calls:
                    return self._calls.pop(0)
                partition, _ = self._choose()
            if partition is None:
                return None
            return partial(self._handle, partition, partition.line.take(partition.setbacks.at_most(self._batch_size)))

    def _choose(self) -> tuple[Partition | None, float]:
        """The next partition that may go on, in turn, or how long to wait for one."""
        now = monotonic()
        wait_seconds = self.IDLE_SECONDS
        for index, partition in enumerate(self._partitions):
            if partition.line.is_empty or not partition.may_begin:
                continue
            if partition.line.ready_at <= now:
                # To the end of the line, so that a busy partition doesn't starve the others.
                self._partitions.append(self._partitions.pop(index))
                return partition, 0.0
            wait_seconds = min(wait_seconds, partition.line.ready_at - now)
        return None, wait_seconds

    def _settle(self, partition: Partition, chunk: Chunk, remainder: Remainder) -> None:
        line = partition.line
        with self._condition:
            before = line.held
            self._garbage.add(line.end(len(chunk.messages) - sum(len(rest.messages) for rest in remainder.chunks)))
            if remainder.reclaim:
                line.fence(remainder.delay_seconds)
            else:
                line.put_back(remainder.chunks, remainder.delay_seconds)
            self._condition.notify_all()
        if line.held < before:
            self._on_room()

    def _leave(self, partition: Partition) -> None:
        """After a fault nothing more of the partition is begun; what it finished is still to be committed."""
        with self._condition:
            partition.line.end()
            partition.line.stop()
            partition.line.clear()
            self._condition.notify_all()

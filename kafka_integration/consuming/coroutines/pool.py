"""Coroutines that handle a consumer's messages, side by side on one event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from time import monotonic
from typing import Any, TypeVar

from ...dead_letters.retention import Retention
from ...errors import TooManyStuckHandlersError
from ...message import Message
from ..lanes.garbage import Garbage
from ..lanes.pool import MAX_ABANDONED
from ..lanes.tasks import Tasks
from ..lanes.turns import Turns
from ..lanes.work import Remainder
from ..partition import Partition
from .awaiting import SLICE_SECONDS, current_task, has_context
from .beside import Beside, Watch
from .partition_turns import PartitionTurns
from .side_tasks import SideTasks
from .side_thread import SideThread
from .work import CoroutineWork
from .workers import Hand, Workers

logger = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_SECONDS = 0.5
"""How long an event loop may be at one thing before it is taken to be blocked, when a handler overran its deadline."""


class Coroutines:
    """At most ``size`` workers, each a coroutine that takes whatever is ready, as long as there is something.

    Messages of several chunks share a worker's task, because making one takes longer than a small handler. Its methods
    may be called from any thread. ``on_fault`` and ``on_room`` are told what a lane tells.
    """

    def __init__(
        self,
        name: str,
        size: int,
        work: CoroutineWork,
        turns: PartitionTurns | Turns,
        *,
        make_tasks: Callable[[], Tasks],
        retention: Retention,
        on_fault: Callable[[BaseException], None],
        on_room: Callable[[], None],
    ) -> None:
        self._name, self._size = name, size
        self._work = work
        self._turns: Any = turns
        self._partitions: list[Partition] = []
        self._make_tasks = make_tasks
        self._watch = Watch(name, work.path)
        self._retention = retention
        self._on_fault = on_fault
        self._on_room = on_room
        self._lock = threading.Lock()
        self._something_ended = threading.Condition(self._lock)
        self._garbage = Garbage()
        self._abandoned: list[Workers | SideThread] = []
        self._made = 0
        self._workers = self._make_workers()
        self._beside = self._make_beside()
        # Not beside: the end of a failure must not wait for a replay.
        self._failures = SideThread(f"{name}-failures")
        self._reading = SideThread(f"{name}-reading") if work.reads_ahead else None

    is_held_up = False
    """Nobody is asked to claim anything here."""

    @property
    def is_idle(self) -> bool:
        """True when no handler is running (stuck ones that were given up aside)."""
        return not self._beside.tasks.is_busy and not any(workers.is_busy for workers in self._all_workers())

    def adopt(self, partition: Partition) -> None:
        with self._lock:
            self._partitions.append(partition)
            self._turns.adopt(partition)

    def of(self, partition: Partition) -> Coroutines:
        """Who serves a partition: here all do."""
        return self

    def put(self, partition: Partition, messages: Sequence[Message], size: int) -> None:
        """Queue messages of a partition; ``size`` is what they weigh in memory, in bytes."""
        with self._lock:
            if self._turns.put(partition, messages, size):
                self._workers.hire()

    def call(self, function: Callable[[], T]) -> Future[T]:
        """Run something in a thread beside the event loop; what it returns."""
        return self._failures.submit(function)

    def clear(self, partition: Partition) -> None:
        """Forget what waits; the partition goes on with what comes next."""
        with self._lock:
            self._turns.open(partition)

    def suspend(self, partition: Partition) -> None:
        """Begin nothing more of it for now; what waits stays, and what is in handlers' hands may finish."""
        with self._lock:
            self._turns.suspend(partition)

    def resume(self, partition: Partition) -> None:
        """What was suspended goes on."""
        with self._lock:
            if self._turns.resume(partition):
                self._workers.hire()

    def drop(self, partitions: list[Partition], deadline: float) -> list[Partition]:
        """Begin nothing more of these and wait for what is in handlers' hands; those that overran the deadline."""
        with self._lock:
            self._turns.drop(partitions)
            return [partition for partition in partitions if not self._has_ended(partition, deadline)]

    def abandon(self, partition: Partition) -> None:
        """Where a handler keeps its thread from all others, leave it alone with that; they go on in a new one."""
        workers = self._workers
        if not workers.loop.answers(ANSWER_SECONDS):
            self._retire(partition)
        elif (stuck := workers.replace_stuck_thread(ANSWER_SECONDS)) is not None:
            self._note_abandoned(stuck)
        if self._beside.tasks.is_at(partition):
            self._leave_task()

    def let_go(self, partition: Partition) -> None:
        """Forget it; a handler that is still at it is cancelled."""
        with self._lock:
            if partition in self._partitions:
                self._partitions.remove(partition)
                self._turns.let_go(partition)
            for workers in self._all_workers():
                workers.take_away(partition.line)
            # Whether others may go on now, as after an outage that only it was to try, is seen by looking.
            self._workers.hire()

    def halt(self) -> None:
        """Begin no further message; any thread may say so, without waiting for the loop to notice."""
        with self._lock:
            self._turns.halt()

    def stop_tasks(self) -> None:
        """Begin nothing more besides messages; what is under way may finish."""
        with self._lock:
            self._beside.tasks.stop()

    def stop(self, timeout: float) -> None:
        """End the threads; one that doesn't return within ``timeout`` seconds is left behind, as it is a daemon."""
        deadline, threads = monotonic() + timeout, (self._workers, self._beside.thread, self._failures, self._reading)
        for each in threads:
            if each is not None:
                each.close()
        if not all(each is None or each.join(max(0.0, deadline - monotonic())) for each in threads):
            logger.warning("the threads of %s did not end in time", self._name)

    # The workers', on their event loop

    async def _run(self, workers: Workers) -> None:
        try:
            await self._work_off(workers)
        finally:
            self._close_if_left(workers)

    async def _work_off(self, workers: Workers) -> None:
        task, resumed_at = current_task(), monotonic()
        while (hand := self._take(workers, task)) is not None:
            if not await self._handle(workers, task, hand):
                return
            if has_context():
                self._give_place_to_another(workers, task)
                return
            if monotonic() - resumed_at > SLICE_SECONDS:
                await asyncio.sleep(0)
                resumed_at = monotonic()

    async def _handle(self, workers: Workers, task: asyncio.Task[None], hand: Hand) -> bool:
        """Whether the worker may go on: its hand wasn't taken from it, and nothing is wrong with the consumer."""
        _, stream, chunk = hand
        had_setbacks = stream.setbacks.in_a_row
        try:
            remainder = await self._work.handle(
                stream, chunk, sync=workers.sync, failures=self._failures, reading=self._reading
            )
        except BaseException as fault:  # noqa: BLE001 - the top of a task
            self._leave(workers, task, hand, fault)
            return False
        return self._settle(workers, task, hand, remainder, had_setbacks=bool(had_setbacks))

    def _take(self, workers: Workers, task: asyncio.Task[None]) -> Hand | None:
        with self._lock:
            hand: Hand | None = self._turns.take() if workers is self._workers else None
            if hand is None:
                workers.end(task)
                workers.look_again_at(self._turns.due_at)
            else:
                workers.take(task, hand)
        return hand

    def _settle(
        self, workers: Workers, task: asyncio.Task[None], hand: Hand, remainder: Remainder, *, had_setbacks: bool
    ) -> bool:
        with self._lock:
            if not workers.give_back(task):
                return False
            size = self._turns.give_back(hand, remainder)
            self._note_end(hand)
            if remainder.delay_seconds:
                workers.look_again_at(self._turns.due_at)
            if had_setbacks or workers is not self._workers:
                # An outage may be over, which held back all others; and who was left behind begins nothing more.
                self._workers.hire()
        if size:
            self._garbage.add(size)
            self._garbage.collect_if_due()
            self._on_room()
        return True

    def _leave(self, workers: Workers, task: asyncio.Task[None], hand: Hand, fault: BaseException) -> None:
        with self._lock:
            workers.end(task)
            if not workers.give_back(task):
                return  # it was cancelled, as nobody waits for it any more
            self._turns.leave(hand)
            self._note_end(hand)
        self._on_fault(fault)

    def _note_end(self, hand: Hand) -> None:
        line, stream, _ = hand
        if line.is_stopping:
            self._something_ended.notify_all()
        if self._beside.tasks.waits_for(stream):
            self._beside.thread.wake()

    def _give_place_to_another(self, workers: Workers, task: asyncio.Task[None]) -> None:
        with self._lock:
            workers.end(task)
            if workers is self._workers:
                workers.begin()

    # What becomes of those that are stuck

    def _retire(self, partition: Partition) -> None:
        with self._lock:
            if not partition.line.is_busy:
                return  # it has returned after all
            stuck, self._workers = self._workers, self._make_workers()
            stuck.retire()
            self._workers.hire()
        self._note_abandoned(stuck)

    def _leave_task(self) -> None:
        with self._lock:
            stuck, self._beside = self._beside, self._make_beside()
        stuck.thread.leave(self._beside.thread)
        self._note_abandoned(stuck.thread)

    def _note_abandoned(self, stuck: Workers | SideThread) -> None:
        self._abandoned = [each for each in self._abandoned if not each.join(0)] + [stuck]
        if len(self._abandoned) > MAX_ABANDONED:
            raise TooManyStuckHandlersError(
                f"{MAX_ABANDONED} handlers are still running past their deadline: their process has to be restarted"
            )

    def _close_if_left(self, workers: Workers) -> None:
        with self._lock:
            is_left = workers is not self._workers and not workers.is_busy and not workers.count
        if is_left:
            workers.close()

    def _all_workers(self) -> list[Workers]:
        return [self._workers, *(each for each in self._abandoned if isinstance(each, Workers))]

    def _make_workers(self) -> Workers:
        self._made += 1
        return Workers(
            f"{self._name}-loop-{self._made}",
            self._size,
            self._run,
            turns=self._turns,
            lock=self._lock,
            path=self._work.path,
        )

    def _make_beside(self) -> Beside:
        tasks = SideTasks(
            self._make_tasks(),
            turns=self._turns,
            lock=self._lock,
            partitions=self._partitions,
            on_end=self._end_task,
        )
        return Beside(
            self._name,
            tasks,
            self._retention,
            self._watch,
            loop=lambda: self._workers.loop,
            on_fault=self._on_fault,
        )

    def _end_task(self) -> None:
        self._something_ended.notify_all()
        self._workers.hire()

    def _has_ended(self, partition: Partition, deadline: float) -> bool:
        seconds = max(0.0, deadline - monotonic())
        return self._something_ended.wait_for(lambda: not partition.line.is_busy, seconds)

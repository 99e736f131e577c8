"""A crew: threads that run handlers, and take from the shards of all partitions whatever is ready."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from time import monotonic
from typing import TypeVar

from ...errors import TooManyStuckHandlersError
from ...message import Message
from ..partition import Partition
from .calls import answered
from .lane import HELD_UP_SECONDS
from .member import Member
from .pool import MAX_ABANDONED
from .tasks import Task, Tasks
from .turns import Hand, Turns
from .work import LaneWork, Remainder

logger = logging.getLogger(__name__)

T = TypeVar("T")

IDLE_SECONDS = 0.5
HOLD_SECONDS = 3.0
"""How long a task waits for the messages of its key that are in a handler's hands: then others have their turn."""


class Crew:
    """At most ``size`` threads, each made when there is something to do for one more.

    A thread that is free takes the oldest shard that is ready, of each partition in turn, and hands it back after a
    few messages: a slow or failing key holds back itself alone. Its methods may be called from any thread. ``on_fault``
    and ``on_room`` are told what a lane tells.
    """

    def __init__(
        self,
        name: str,
        size: int,
        make_work: Callable[[str], LaneWork],
        *,
        on_fault: Callable[[BaseException], None],
        on_room: Callable[[], None],
        tasks: Tasks | None = None,
    ) -> None:
        self._name = name
        self._size = size
        self._make_work = make_work
        self._on_fault = on_fault
        self._on_room = on_room
        self._lock = threading.Lock()
        self._something_to_do = threading.Condition(self._lock)
        self._something_ended = threading.Condition(self._lock)
        self._turns = Turns()
        self._partitions: list[Partition] = []
        self._tasks = tasks
        self._task_lock = threading.Lock()
        """Only tried: one at a time does what there is besides messages."""
        self._tasked: Member | None = None
        """Who has that lock."""
        self._calls: deque[Callable[[], None]] = deque()
        self._members: list[Member] = []
        self._abandoned: list[Member] = []
        self._made = self._waiting = 0
        self._is_stopping = False

    @property
    def is_held_up(self) -> bool:
        """Whether every thread is at one chunk for so long that it may never return."""
        members, moment = list(self._members), monotonic() - HELD_UP_SECONDS
        return len(members) == self._size and all(member.is_busy_since(moment) for member in members)

    @property
    def is_idle(self) -> bool:
        """True when no handler is running (stuck ones that were given up aside)."""
        return not any(member.is_busy for member in list(self._members))

    def adopt(self, partition: Partition) -> None:
        with self._lock:
            self._partitions.append(partition)
            self._turns.adopt(partition)
            if not self._members:
                # Also where no message comes: there may be something else to do.
                self._muster(1)

    def of(self, partition: Partition) -> Crew:
        """Who serves a partition: here all do."""
        return self

    def put(self, partition: Partition, messages: Sequence[Message], size: int) -> None:
        """Queue messages of a partition; ``size`` is what they weigh in memory, in bytes."""
        with self._lock:
            self._muster(self._turns.put(partition, messages, size))

    def call(self, function: Callable[[], T]) -> Future[T]:
        """Run something in one of the threads, before its next chunk; what it returns."""
        call, answer = answered(function)
        with self._lock:
            self._calls.append(call)
            self._muster(1)
        return answer

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
            self._muster(self._turns.resume(partition))

    def drop(self, partitions: list[Partition], deadline: float) -> list[Partition]:
        """Begin nothing more of these and wait for what is in handlers' hands; those that overran the deadline."""
        with self._lock:
            self._turns.drop(partitions)
            return [partition for partition in partitions if not self._has_ended(partition, deadline)]

    def let_go(self, partition: Partition) -> None:
        with self._lock:
            if partition in self._partitions:
                self._partitions.remove(partition)
                self._turns.let_go(partition)

    def abandon(self, partition: Partition) -> None:
        """Leave stuck handlers alone with their threads; others take their places."""
        with self._lock:
            stuck = [member for member in self._members if member.is_at(partition.line)]
            self._abandoned = [member for member in self._abandoned if not member.join(0)]
            most = max(MAX_ABANDONED, 2 * self._size)
            if stuck and len(self._abandoned) >= most:
                raise TooManyStuckHandlersError(
                    f"{most} handlers are still running past their deadline: their process has to be restarted"
                )
            for member in stuck:
                member.abandon()
                self._members.remove(member)
            if self._tasked in stuck:
                self._task_lock = threading.Lock()
            self._abandoned += stuck
            self._muster(max(1, self._turns.ready + len(self._calls)))

    def halt(self) -> None:
        """Begin no further message; any thread may say so, without waiting for the loop to notice."""
        with self._lock:
            self._turns.halt()

    def stop_tasks(self) -> None:
        """Begin nothing more besides messages; one thing under way may finish."""
        with self._lock:
            self._tasks = None

    def stop(self, timeout: float) -> None:
        """End the threads; one that doesn't return within ``timeout`` seconds is left behind, as it is a daemon."""
        with self._lock:
            self._is_stopping = True
            self._something_to_do.notify_all()
        deadline = monotonic() + timeout
        for member in list(self._members):
            if not member.join(max(0.0, deadline - monotonic())):
                logger.warning("%s did not end in time", member.name)

    # Its members'

    def next(self, member: Member) -> Callable[[], None] | None:
        """What to do next; None if there was nothing, after having waited for it a moment."""
        with self._lock:
            step = self._choose(member)
            if step is None and not self.is_over(member):
                self._waiting += 1
                self._something_to_do.wait(max(0.0, min(IDLE_SECONDS, self._turns.due_at - monotonic())))
                self._waiting -= 1
                step = self._choose(member)
            return step

    def is_over(self, member: Member) -> bool:
        return self._is_stopping or member.is_abandoned

    def run_task(self, member: Member) -> None:
        """Do one thing that there is besides messages, unless another member is at it."""
        tasks, lock = self._tasks, self._task_lock
        if tasks is None or not lock.acquire(blocking=False):
            return
        try:
            self._tasked = member
            task = tasks.next(tuple(self._partitions))
            if task is not None and self.begin_task(member, task):
                member.do(task)
        finally:
            if self._tasked is member:
                self._tasked = None
            lock.release()

    def end_task(self, member: Member) -> None:
        with self._lock:
            member.rest()
            self._something_ended.notify_all()

    def settle(self, member: Member, hand: Hand, remainder: Remainder) -> int:
        """Take back what a member had in hand, and what is left of it; about how many bytes are done with."""
        with self._lock:
            size = self._turns.give_back(hand, remainder)
            self._rest(member, hand)
        if size:
            self._on_room()
        return size

    def leave(self, member: Member, hand: Hand) -> None:
        """After a fault nothing more of the partition is begun; what it finished is still to be committed."""
        with self._lock:
            self._turns.leave(hand)
            self._rest(member, hand)

    def lose(self, member: Member) -> None:
        """Its thread ends by a fault: what is to be called until the end is another's."""
        with self._lock:
            if member in self._members:
                self._members.remove(member)

    def _has_ended(self, partition: Partition, deadline: float) -> bool:
        seconds = max(0.0, deadline - monotonic())
        return self._something_ended.wait_for(lambda: not partition.line.is_busy, seconds)

    def begin_task(self, member: Member, task: Task) -> bool:
        """Take the shard in whose place it is done, so that nobody else begins it and whoever takes it away waits."""
        with self._lock:
            partition = task.partition
            if partition is None:
                return self._may_begin(member) and member.take_task()
            deadline = monotonic() + HOLD_SECONDS
            while self._may_begin(member) and partition in self._partitions and partition.may_begin:
                if (hand := self._turns.hold(partition, task.key_bytes)) is not None:
                    member.take(hand)
                    return True
                if not self._something_ended.wait(deadline - monotonic()):
                    break
            self._turns.release(partition)
            return False

    def _may_begin(self, member: Member) -> bool:
        return self._tasks is not None and not self._turns.is_probing and not self.is_over(member)

    def _rest(self, member: Member, hand: Hand) -> None:
        member.rest()
        self._something_ended.notify_all()
        if self._waiting:
            # An outage may be over, and a backoff may end before those of which it is known.
            self._something_to_do.notify(max(1, self._turns.ready))

    def _choose(self, member: Member) -> Callable[[], None] | None:
        if member.is_abandoned:
            return None
        if self._calls:
            return self._calls.popleft()
        hand = self._turns.take()
        return None if hand is None else member.take(hand)

    def _muster(self, wanted: int) -> None:
        """Have so many at work, as far as there are any, or may be."""
        self._something_to_do.notify(wanted)
        for _ in range(min(wanted - self._waiting, self._size - len(self._members))):
            self._made += 1
            self._members.append(Member(f"{self._name}-lane-{self._made}", self, self._make_work, self._on_fault))
            self._members[-1].start()

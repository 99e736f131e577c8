"""A crew: threads that run handlers, and take from the shards of all partitions whatever is ready."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from time import monotonic
from typing import TypeVar

from ...errors import TooManyStuckHandlersError
from ...message import Message
from ..line import Line
from ..partition import Partition
from .calls import answered
from .garbage import Garbage
from .lane import HELD_UP_SECONDS
from .pool import MAX_ABANDONED
from .turns import Hand, Turns
from .work import LaneWork, Remainder

logger = logging.getLogger(__name__)

T = TypeVar("T")

IDLE_SECONDS = 0.5


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
            self._turns.adopt(partition)

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

    def drop(self, partitions: list[Partition], deadline: float) -> list[Partition]:
        """Begin nothing more of these and wait for what is in handlers' hands; those that overran the deadline."""
        with self._lock:
            self._turns.drop(partitions)
            return [partition for partition in partitions if not self._has_ended(partition, deadline)]

    def let_go(self, partition: Partition) -> None:
        with self._lock:
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
            self._abandoned += stuck
            self._muster(self._turns.ready + len(self._calls))

    def halt(self) -> None:
        """Begin no further message; any thread may say so, without waiting for the loop to notice."""
        with self._lock:
            self._turns.halt()

    def stop_tasks(self) -> None:
        """Begin nothing more besides messages."""

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

    def _has_ended(self, partition: Partition, deadline: float) -> bool:
        seconds = max(0.0, deadline - monotonic())
        return self._something_ended.wait_for(lambda: not partition.line.is_busy, seconds)

    def _rest(self, member: Member, hand: Hand) -> None:
        member.rest()
        if hand[0].is_stopping:
            self._something_ended.notify_all()
        elif self._waiting:
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


class Member:
    """One thread of a crew."""

    def __init__(
        self, name: str, crew: Crew, make_work: Callable[[str], LaneWork], on_fault: Callable[[BaseException], None]
    ) -> None:
        self.name = name
        self.is_abandoned = False
        self._hand: Hand | None = None
        self._since = 0.0
        self._crew = crew
        self._work = make_work(name)
        self._on_fault = on_fault
        self._garbage = Garbage()
        # A daemon: a handler that never returns must not keep the process from leaving at its deadline.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        return self._hand is not None

    def is_busy_since(self, moment: float) -> bool:
        return self._hand is not None and self._since <= moment

    def is_at(self, line: Line) -> bool:
        """Whether it has something of this line in hand."""
        return self._hand is not None and self._hand[0] is line

    def take(self, hand: Hand) -> Callable[[], None]:
        self._hand, self._since = hand, monotonic()
        return partial(self._handle, hand)

    def rest(self) -> None:
        self._hand = None

    def abandon(self) -> None:
        self.is_abandoned = True

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
        step = self._crew.next(self)
        if step is not None:
            step()
        elif self._crew.is_over(self):
            return False
        self._garbage.collect_if_due()
        self._work.idle()
        return True

    def _handle(self, hand: Hand) -> None:
        _, shard, chunk = hand
        try:
            remainder = self._work.handle(shard, chunk)
        except BaseException:
            self._crew.leave(self, hand)
            raise
        self._garbage.add(self._crew.settle(self, hand, remainder))

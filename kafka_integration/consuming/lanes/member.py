"""A member of a crew: one thread, and what it has in hand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Protocol

from ..ordering.line import Line
from .garbage import Garbage
from .tasks import Task
from .turns import Hand
from .work import UNIT_SECONDS, LaneWork, Remainder


class Duties(Protocol):
    """What a member asks its crew, and tells it."""

    def next(self, member: Member) -> Callable[[], None] | None: ...
    def is_over(self, member: Member) -> bool: ...
    def settle(self, member: Member, hand: Hand, remainder: Remainder) -> int: ...
    def leave(self, member: Member, hand: Hand) -> None: ...
    def lose(self, member: Member) -> None: ...
    def run_task(self, member: Member) -> None: ...
    def end_task(self, member: Member) -> None: ...


class Member:
    """One thread of a crew."""

    def __init__(
        self, name: str, crew: Duties, make_work: Callable[[str], LaneWork], on_fault: Callable[[BaseException], None]
    ) -> None:
        self.name = name
        self.is_abandoned = False
        self._hand: Hand | None = None
        self._is_on_task = False
        """True while it does something that belongs to no partition."""
        self._since = 0.0
        self._crew = crew
        self._work = make_work(name)
        self._on_fault = on_fault
        self._idle_at = 0.0
        self._garbage = Garbage()
        # A daemon: a handler that never returns must not keep the process from leaving at its deadline.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        return self._hand is not None or self._is_on_task

    def is_busy_since(self, moment: float) -> bool:
        return self._hand is not None and self._since <= moment

    def is_at(self, line: Line) -> bool:
        """Whether it has something of this line in hand."""
        return self._hand is not None and self._hand[0] is line

    def take(self, hand: Hand) -> Callable[[], None]:
        self._hand, self._since = hand, monotonic()
        return partial(self._handle, hand)

    def take_task(self) -> bool:
        self._is_on_task = True
        return True

    def rest(self) -> None:
        self._hand, self._is_on_task = None, False

    def do(self, task: Task) -> None:
        """What was begun besides messages."""
        hand = self._hand
        try:
            needs_claim = task.run()
        except BaseException:
            if hand is None:
                self._crew.end_task(self)
            else:
                self._crew.leave(self, hand)
            raise
        if hand is None:
            self._crew.end_task(self)
        else:
            self._crew.settle(self, hand, Remainder(reclaim=needs_claim))
        self._garbage.collect()

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
            self._crew.lose(self)
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
        if step is None or monotonic() >= self._idle_at:
            self._work.idle()
            self._idle_at = monotonic() + UNIT_SECONDS
        self._crew.run_task(self)
        return True

    def _handle(self, hand: Hand) -> None:
        _, shard, chunk = hand
        try:
            remainder = self._work.handle(shard, chunk)
        except BaseException:
            self._crew.leave(self, hand)
            raise
        self._garbage.add(self._crew.settle(self, hand, remainder))

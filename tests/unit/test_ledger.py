"""Whatever is taken, finished, held back and released, in any order: what may be committed is what is finished.

Hypothesis plays the loop, which takes runs of messages with gaps between them, sees ends of the partition and has to
fetch anew what it had, and the lane, which finishes one message after the other and does what handlers return.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kafka_integration import NO_COMMIT, CommitThrough
from kafka_integration.consuming.handling.invoking import steer
from kafka_integration.consuming.offsets.ledger import Ledger

GAPS = st.integers(0, 3)


class LedgerMachine(RuleBasedStateMachine):
    """One assignment of one partition; ``waiting`` are the messages taken and not finished."""

    @initialize(start=st.integers(0, 1000))
    def begin(self, start: int) -> None:
        self.ledger = Ledger(start)
        self.position = start
        self.waiting: list[Any] = []
        self.handled: list[Any] = []
        self.bound = start
        """What may be committed at most: moved by finishing, but not while the handler holds back."""
        self.is_held_back = False
        self.end = start
        self.highest_finished = start

    # --- The loop

    @rule(gaps=st.lists(GAPS, min_size=1, max_size=5))
    def take(self, gaps: list[int]) -> None:
        for gap in gaps:
            self.waiting.append(SimpleNamespace(offset=self.position + gap))
            self.position += gap + 1
        self.ledger.take(self.position)

    @rule(markers=GAPS)
    def see_the_end(self, markers: int) -> None:
        self.position += markers
        self.end = self.position
        self.ledger.reach_end(self.position)

    @rule()
    def begin_again(self) -> None:
        self.ledger = self.ledger.resumed()
        assert self.ledger.taken is not None
        assert all(self.ledger.taken <= message.offset for message in self.waiting)
        self.waiting.clear()
        self.position, self.end = self.ledger.taken, 0

    # --- The lane

    @precondition(lambda self: self.waiting)
    @rule()
    def finish(self) -> None:
        message = self._finish(None)
        self.is_held_back = False
        self.bound = message.offset + 1

    @precondition(lambda self: self.waiting)
    @rule()
    def finish_without_commit(self) -> None:
        if not self.is_held_back:
            self.bound = self._lowest_unfinished()
        self.is_held_back = True
        self._finish(NO_COMMIT)

    @precondition(lambda self: self.waiting)
    @rule(back=st.integers(0, 10), beyond=st.booleans())
    def finish_and_commit_through(self, back: int, beyond: bool) -> None:
        message = self.waiting[0]
        earlier = [*self.handled, message]
        named = earlier[max(0, len(earlier) - 1 - back)]
        if beyond:  # of another partition, perhaps: it can't be finished here
            named = SimpleNamespace(offset=message.offset + back)
        through = min(named.offset, message.offset) + 1
        self.bound = max(self.bound, through) if self.is_held_back else through
        self.is_held_back = True
        self._finish(CommitThrough(named))

    # --- What is true at any time

    @invariant()
    def nothing_unfinished_is_committed(self) -> None:
        offset = self.ledger.next_offset

        assert offset is not None
        assert all(offset <= message.offset for message in self.waiting)

    @invariant()
    def what_is_finished_may_be_committed_unless_it_is_held_back(self) -> None:
        if self.is_held_back:
            assert self.ledger.next_offset == self.bound
        elif self.waiting:
            assert self.ledger.next_offset == self.bound
            assert self.waiting[0].offset >= self.bound
        else:
            assert self.ledger.next_offset == max(self.bound, self.end)

    @invariant()
    def it_is_idle_when_nothing_waits(self) -> None:
        assert self.ledger.is_idle == (not self.waiting)

    @invariant()
    def finishing_never_goes_back(self) -> None:
        finished = self.ledger.finished

        assert finished is not None
        assert finished >= self.highest_finished
        self.highest_finished = finished

    def _finish(self, result: Any) -> Any:
        message = self.waiting.pop(0)
        self.handled.append(message)
        held_back = steer(self.ledger, message, result, path="handler", may_hold_back=True)
        assert held_back == self.ledger.is_held_back == (result is not None)
        return message

    def _lowest_unfinished(self) -> int:
        return self.handled[-1].offset + 1 if self.handled else self.bound


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=200, stateful_step_count=40)


class WatchingLedger(Ledger):
    """A ledger that the loop looks at after each single write of the lane."""

    __slots__ = ("seen",)

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name != "seen" and hasattr(self, "seen"):
            self.seen.append(self.next_offset)

    def watch(self) -> None:
        finish, seen = self.finish, []
        self.finish = lambda message: (finish(message), seen.append(self.next_offset))
        self.seen: list[int | None] = seen


def test_a_loop_that_looks_between_two_writes_commits_no_more_than_the_handler_said() -> None:
    ledger = WatchingLedger(100)
    ledger.take(103)
    first, second, third = (SimpleNamespace(offset=offset) for offset in (100, 101, 102))
    ledger.watch()

    for message, result in ((first, None), (second, CommitThrough(first)), (third, NO_COMMIT)):
        steer(ledger, message, result, path="handler", may_hold_back=True)

    assert ledger.seen
    assert max(offset for offset in ledger.seen if offset is not None) == 101

"""Whatever is taken and finished, in any order and by whomever: the floor is the lowest unfinished offset.

Hypothesis plays the loop, which takes runs of messages with gaps between them, sees ends of the partition and begins
anew, here or in another process that was told what is finished; and the handlers, which finish in any order.
"""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kafka_integration.consuming.offsets.ledger import Ledger
from kafka_integration.consuming.offsets.sparse_ledger import SparseLedger

GAPS = st.integers(0, 3)


class Raw:
    def __init__(self, offset: int, epoch: int | None = None) -> None:
        self._offset = offset
        self._epoch = epoch

    def offset(self) -> int:
        return self._offset

    def leader_epoch(self) -> int | None:
        return self._epoch


def finish(ledger: SparseLedger, offset: int) -> None:
    message: Any = SimpleNamespace(offset=offset)
    ledger.finish(message)


class SparseLedgerMachine(RuleBasedStateMachine):
    """One partition; ``log`` is what was read of it so far, ``unfinished`` what handlers have still to do."""

    @initialize(start=st.integers(0, 1000))
    def begin(self, start: int) -> None:
        self.ledger = SparseLedger(start)
        self.position = self.read_to = start
        self.log: list[int] = []
        self.unfinished: set[int] = set()
        self.finished: set[int] = set()
        self.end = start
        self.highest_floor = start

    @rule(gaps=st.lists(GAPS, min_size=1, max_size=5))
    def take(self, gaps: list[int]) -> None:
        for gap in gaps if self.position == self.read_to else ():
            self.log.append(self.read_to + gap)
            self.read_to += gap + 1
        fetched = [Raw(offset) for offset in self.log if offset >= self.position]
        wanted = self.ledger.unfinished(fetched)
        self.position = self.read_to
        self.ledger.take(self.position, wanted)

        assert not {raw.offset() for raw in wanted} & self.finished
        self.unfinished |= {raw.offset() for raw in wanted}

    @rule(markers=GAPS)
    def see_the_end(self, markers: int) -> None:
        if self.position == self.read_to:
            self.read_to += markers
            self.end = self.position = self.read_to
            self.ledger.take(self.position, [])
            self.ledger.reach_end(self.position)

    @precondition(lambda self: self.unfinished)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(sorted(self.unfinished)))
        self.unfinished.remove(offset)
        self.finished.add(offset)
        finish(self.ledger, offset)

    @rule(is_told_anew=st.booleans())
    def begin_again(self, is_told_anew: bool) -> None:
        beyond = self.ledger.finished_beyond()
        self.ledger = SparseLedger(self.ledger.finished, None, beyond) if is_told_anew else self.ledger.resumed()
        assert self.ledger.taken is not None
        self.unfinished.clear()
        self.position = self.ledger.taken

    @invariant()
    def the_floor_is_the_lowest_unfinished_offset(self) -> None:
        floor = self.ledger.finished

        assert floor is not None
        assert floor == min(self.unfinished, default=self.position)
        assert all(offset in self.finished for offset in self.log if offset < floor)
        assert floor >= self.highest_floor
        assert self.ledger.next_offset == floor
        self.highest_floor = floor

    @invariant()
    def what_is_finished_beyond_the_floor_is_known(self) -> None:
        floor = self.ledger.finished or 0

        assert self.ledger.finished_beyond() == sorted(offset for offset in self.finished if offset >= floor)

    @invariant()
    def it_is_idle_when_nothing_is_unfinished(self) -> None:
        assert self.ledger.is_idle == (not self.unfinished)

    @invariant()
    def what_is_taken_from_the_floor_on_is_counted(self) -> None:
        floor = self.ledger.finished or 0

        assert self.ledger.ahead == sum(floor <= offset < self.position for offset in self.log)


TestSparseLedger = SparseLedgerMachine.TestCase
TestSparseLedger.settings = settings(max_examples=200, stateful_step_count=40)


def test_what_many_threads_finish_while_others_look_is_all_finished_in_the_end() -> None:
    ledger = SparseLedger(0)
    ledger.take(8000, [Raw(offset) for offset in range(8000)])
    floors: list[int | None] = []

    threads = [
        threading.Thread(target=lambda first=first: [finish(ledger, offset) for offset in range(first, 8000, 8)])
        for first in range(8)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        floors.append(ledger.finished)
        ledger.finished_beyond()
    for thread in threads:
        thread.join()

    assert floors == sorted(floor or 0 for floor in floors)
    assert (ledger.finished, ledger.finished_beyond(), ledger.ahead) == (8000, [], 0)


@pytest.mark.parametrize("make", [Ledger, SparseLedger])
def test_what_a_later_leader_wrote_at_the_offsets_of_finished_messages_is_to_be_handled(make: type[Ledger]) -> None:
    ledger = make(10, None, {12, 13, 14, 15}, 3)

    wanted = ledger.unfinished([Raw(10, 2), Raw(12, 3), Raw(13, None), Raw(14, 4), Raw(15, 4)])

    assert [raw.offset() for raw in wanted] == [10, 14, 15]
    assert ledger.finished_beyond() == [12, 13]

"""Partitions that somebody wants to go on elsewhere, while this member goes on working."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from ...client.consumer import Coordinates
from ..offsets.start import Start
from ..ordering.stream import State
from ..partition import Partition
from .assignment import Assignment

logger = logging.getLogger(__name__)

NOT_OURS = "this process doesn't own it (any more)"
ENDS = "this consumer is ending"

Answer = Future[dict[Coordinates, str]]


@dataclass(kw_only=True)
class _Move:
    """One partition's way: waited for until it is at work, begun elsewhere, and durably there."""

    place: Coordinates
    offset: int
    partition: Partition | None = None
    start: Start | None = None
    was_placed: bool = False


@dataclass(kw_only=True)
class _Reset:
    answer: Answer
    moves: list[_Move]
    failed: dict[Coordinates, str] = field(default_factory=dict)


class Resets:
    """``ask`` may be called from any thread; all else is the loop thread's own, a step each turn."""

    def __init__(self, consumer: str) -> None:
        self._consumer = consumer
        self._asked: deque[_Reset] = deque()
        self._under_way: list[_Reset] = []
        self._has_ended = False

    def ask(self, offsets: Mapping[Coordinates, int]) -> Answer:
        """Have partitions go on at these offsets; the answer has those that don't, with the reason."""
        reset = _Reset(answer=Future(), moves=[_Move(place=place, offset=to) for place, to in offsets.items()])
        self._asked.append(reset)
        if self._has_ended:
            # Whoever ended it may have looked before.
            self.end()
        return reset.answer

    def under_way(self, answer: Answer) -> tuple[list[Coordinates], dict[Coordinates, str]]:
        """What of that isn't there yet, and what won't be, so far; may be called from any thread."""
        for reset in (*self._asked.copy(), *self._under_way):
            if reset.answer is answer:
                return [move.place for move in reset.moves], dict(reset.failed)
        return [], {}

    def keep_up(self, assignment: Assignment) -> None:
        """Bring what was asked for a step further; call it every turn."""
        while self._asked:
            self._under_way.append(self._asked.popleft())
        for reset in self._under_way:
            reset.moves = [move for move in reset.moves if not self._is_over(reset, move, assignment)]
            if not reset.moves:
                reset.answer.set_result(reset.failed)
        self._under_way = [reset for reset in self._under_way if reset.moves]

    def end(self) -> None:
        """Nothing further is moved; what was under way is told so."""
        self._has_ended = True
        while self._asked:
            self._under_way.append(self._asked.popleft())
        for reset in self._under_way:
            reset.answer.set_result({**reset.failed, **{move.place: ENDS for move in reset.moves}})
        self._under_way = []

    def _is_over(self, reset: _Reset, move: _Move, assignment: Assignment) -> bool:
        """Whether the partition has arrived, or never will."""
        if move.partition is None:
            move.partition = assignment.get(move.place)
        partition = move.partition
        if partition is None or partition.state is State.REVOKED:
            reset.failed[move.place] = NOT_OURS
            return True
        if move.start is None:
            # Who is on its way to begin somewhere gets there first: two claims would not know of each other.
            if partition.state is State.ACTIVE:
                logger.warning(
                    "consumer %s: %s is moved to %d, as an operator asked", self._consumer, partition, move.offset
                )
                move.start = assignment.move(partition, move.offset)
            return False
        move.was_placed = move.was_placed or move.start.is_placed
        # The database holds it once it is placed; Kafka, once it has confirmed the first commit.
        return move.was_placed and (partition.stored is not None or partition.ledger.committed is not None)

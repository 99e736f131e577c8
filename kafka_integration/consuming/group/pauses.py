"""Which partitions of a consumer are paused because an operator wants it, for now or until the process ends."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from ..lanes.pool import Pool
from ..partition import Partition

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """All partitions, those of a topic, or one of these."""

    topic: str | None = None
    partition: int | None = None

    def covers(self, other: Scope) -> bool:
        if self.topic is None or self == other:
            return True
        return self.partition is None and self.topic == other.topic

    def __str__(self) -> str:
        if self.topic is None:
            return "all partitions"
        return self.topic if self.partition is None else f"{self.topic}[{self.partition}]"


class Pauses:
    """What is wished for is the consumer's: a partition that comes later is paused as it comes, after a rebalance too.

    Any thread may wish; the loop carries it out, once a turn.
    """

    def __init__(self, consumer: str) -> None:
        self._consumer = consumer
        self._wishes: tuple[tuple[Scope, bool], ...] = ()
        """What was asked for, the latest last: whether it is to be paused. Replaced whole."""
        self.is_quiet = False
        """Nothing more is begun, of whatever partition, until the process ends."""
        self._carried_out: object = self._all

    @property
    def is_carried_out(self) -> bool:
        """Whether the loop has done what was asked for last."""
        return self._carried_out == self._all

    def pause(self, scope: Scope) -> None:
        """Have these paused."""
        self._wish(scope, is_paused=True)

    def resume(self, scope: Scope) -> None:
        """Have these go on."""
        self._wish(scope, is_paused=False)

    def be_quiet(self) -> None:
        """Begin nothing more of anything."""
        self.is_quiet = True

    def wants_paused(self, place: Scope) -> bool:
        """Whether a partition is to be paused, by what was asked for last."""
        return next((is_paused for scope, is_paused in reversed(self._wishes) if scope.covers(place)), False)

    def carry_out(self, partitions: Iterable[Partition], lanes: Pool) -> None:
        """Suspend and resume what is wanted; the loop's, once a turn, before anything that came is begun."""
        wanted = self._all
        if not any(wanted) and self._carried_out == wanted:
            return
        if self.is_quiet and self._carried_out != wanted:
            lanes.stop_tasks()
        for partition in partitions:
            is_paused = self.is_quiet or self.wants_paused(Scope(topic=partition.topic, partition=partition.number))
            if is_paused and not partition.line.is_suspended:
                lanes.of(partition).suspend(partition)
                logger.info("consumer %s: %s is paused, as an operator asked", self._consumer, partition)
            elif not is_paused and partition.line.is_suspended:
                lanes.of(partition).resume(partition)
                logger.info("consumer %s: %s goes on", self._consumer, partition)
        self._carried_out = wanted

    @property
    def _all(self) -> tuple[object, bool]:
        return self._wishes, self.is_quiet

    def _wish(self, scope: Scope, *, is_paused: bool) -> None:
        left = [wish for wish in self._wishes if not scope.covers(wish[0])]
        # Who asks that all go on wants what there was before anything was asked.
        is_needed = is_paused or any(wish[0].covers(scope) for wish in left)
        self._wishes = (*left, (scope, is_paused)) if is_needed else tuple(left)

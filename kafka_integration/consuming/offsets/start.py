"""Where a partition begins: what is known of that so far."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic

from .ledger import Ledger


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps a partition from beginning, and the monotonic time before which nobody is asked again."""

    reason: str
    ask_at: float = 0.0


class Start:
    """One beginning of a partition: unknown → asked → known → placed. The loop's own, and a new one each time.

    A lane is asked where the database keeps the offsets; else it is known once Kafka has answered.
    """

    def __init__(
        self,
        *,
        offset: int | None = None,
        reset_to: int | None = None,
        is_resumed: bool = False,
        forgets_beyond: bool = False,
    ) -> None:
        self.since = monotonic()
        self.offset = offset
        """Where to begin, once that is known."""
        self.reset_to = reset_to
        """Where it is to begin whatever the database holds, once that holds this."""
        self.forgets_beyond = forgets_beyond
        """Nothing is left out from there on, whatever was finished before."""
        self.is_moved = offset is not None or reset_to is not None
        """It begins elsewhere than where the group has come to: what is committed is of other messages, or of none."""
        self.is_resumed = is_resumed
        """It begins where the partition's own ledger ends."""
        self.committed: int | None = None
        """What the group had committed, where that was asked for."""
        self.finished_beyond: Collection[int] = ()
        """What the group had finished beyond its offset."""
        self.beyond_epoch: int | None = None
        """Which leader wrote the last of that."""
        self.is_placed = False
        """The client was told: messages come from there."""
        self.obstacle: Obstacle | None = None
        self.failed_claims = 0
        self._answer: Future[int | Obstacle | None] | None = None

    def may_ask(self, now: float) -> bool:
        is_put_off = self.obstacle is not None and now < self.obstacle.ask_at
        return self.offset is None and self._answer is None and not is_put_off

    def put_off(self, obstacle: Obstacle) -> None:
        self.obstacle = obstacle

    def ask(self, answer: Future[int | Obstacle | None], committed: int | None) -> None:
        """A lane was asked; ``committed`` is what Kafka holds."""
        self._answer, self.committed = answer, committed

    def know(
        self,
        offset: int,
        committed: int | None,
        finished_beyond: Collection[int] = (),
        beyond_epoch: int | None = None,
    ) -> None:
        self.offset, self.committed = offset, committed
        self.finished_beyond, self.beyond_epoch = finished_beyond, beyond_epoch

    def advance(self, ledger: Ledger) -> None:
        """Take in what there is by now: the lane's answer, or how far the ledger has come."""
        if self.is_resumed:
            self.offset = ledger.finished
        elif self._answer is not None and self._answer.done():
            found, self._answer = self._answer.result(), None
            if isinstance(found, Obstacle):
                self.failed_claims += 1
                self.put_off(found)
            else:
                self.offset = found

    def place(self) -> None:
        self.is_placed = True

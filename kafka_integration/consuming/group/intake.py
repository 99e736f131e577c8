"""What a fetch brought: messages go to the lanes of their partitions, events to whoever notices them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...client.fetched import END_REACHED, Event, Run, events_apart, runs_of
from ...message import Message
from ..fetching.message_limit import MessageLimit
from ..fetching.weighing import Weighing
from ..lanes.pool import Pool
from ..ordering.stream import State
from .assignment import Assignment
from .session import Session


class Intake:
    """Takes what is to be handled and leaves out what isn't; the loop thread's own."""

    def __init__(
        self,
        consumer: str,
        *,
        lanes: Pool,
        messages_of: Callable[[list[Any]], Sequence[Message]],
        limit: MessageLimit,
    ) -> None:
        self._place = f"consumer {consumer}"
        self._lanes = lanes
        self._messages_of = messages_of
        self._limit = limit
        self._weighing = Weighing()

    @property
    def fetch_size(self) -> int:
        """How many messages to fetch at once, by what they weigh."""
        return self._weighing.fetch_size

    @property
    def is_hidden_from_client(self) -> bool:
        """Whether most of what came last bounds nothing of what librdkafka fetches."""
        return self._weighing.is_hidden_from_client

    def go_on(self, assignment: Assignment) -> None:
        """Count what was finished, and go on with what was left out for lack of room."""
        for partition in self._limit.settle(assignment):
            assignment.go_on(partition)

    def take(self, session: Session, raws: list[Any]) -> None:
        """Hand on what a fetch brought."""
        raws, events = events_apart(raws, place=self._place)
        for run in runs_of(raws, among=session.client.topics):
            self._take(session, run)
        for event in events:
            # After the last message that was asked for, what follows was not taken: its end isn't ours.
            if event.code != END_REACHED or not self._leaves_out(session.assignment, event):
                session.notices.handle(event)

    def _take(self, session: Session, run: Run) -> None:
        coordinates, raws = run
        partition = session.assignment.get(coordinates)
        # Revoked in the same call, or fetched from a position that was not ours to begin at.
        if partition is None or partition.state is not State.ACTIVE:
            return
        taken = partition.ledger.taken
        if taken is not None and raws[0].offset() < taken:
            session.assignment.restart(partition)
            return
        wanted = partition.ledger.unfinished(raws)
        allowed = self._limit.take(partition, wanted)
        if self._limit.leaves_out(partition):
            # Else all the backlog would be fetched for nothing.
            session.client.pause([coordinates])
            raws = [raw for raw in raws if allowed and raw.offset() <= allowed[-1].offset()]
        if not raws:
            return
        partition.ledger.take(raws[-1].offset() + 1, allowed)
        if allowed:
            size = self._weighing.weigh(allowed)
            self._lanes.of(partition).put(partition, self._messages_of(allowed), size)
        # While the handler's thread wakes up.
        partition.ages.note(raws, partition.ledger.committed)
        session.client.leader_epochs.note(coordinates, raws)

    def _leaves_out(self, assignment: Assignment, event: Event) -> bool:
        return event.coordinates is not None and self._limit.leaves_out(assignment.get(event.coordinates))

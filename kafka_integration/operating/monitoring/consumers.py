"""A process of consumers, as monitoring looks at it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from time import monotonic

from django.db import connections
from django.db.models import Count

from ...client.metadata.partition_ends import PartitionEnds
from ...consuming.loop import ConsumerLoop, Phase
from ...models import DeadLetter
from ...observing.families import DEAD_LETTERS, GROUP_LAG, IN_FLIGHT, Sample
from ...observing.measures import Measures
from .asking import Answers, Question
from .watched import Health

ALIVE_SECONDS = 30.0
"""A loop that has not turned for longer is taken for dead."""
HANDOVER_SECONDS = 15.0
"""What a handover takes besides waiting for handlers."""
TROUBLED_SECONDS = 120.0
"""The same while brokers can't be reached: each question to them may take its time."""


class Consumers:
    """Loops in this process, each with what is measured of it."""

    def __init__(self, loops: Sequence[tuple[ConsumerLoop, Measures]]) -> None:
        self._loops = loops
        self._answers = Answers([*self._lag_questions(), *self._dead_letter_questions()])

    def asking(self) -> AbstractContextManager[None]:
        """Databases and brokers are asked for what only they know, as long as the block lasts."""
        return self._answers.being_asked_for()

    def health(self) -> Health:
        not_alive = tuple(filter(None, (_why_not_alive(loop) for loop, _ in self._loops)))
        not_ready = tuple(filter(None, (_why_not_ready(loop, measures) for loop, measures in self._loops)))
        return Health(not_alive=not_alive, not_ready=not_ready)

    def samples(self) -> Iterator[Sample]:
        for loop, measures in self._loops:
            yield from measures.samples()
            yield IN_FLIGHT.of(loop.settings.name, value=sum(partition.line.held for partition in loop.partitions))
        yield from self._answers.samples()

    def _lag_questions(self) -> Iterator[Question]:
        for loop, _ in self._loops:
            ends = PartitionEnds(loop.settings.connection)
            yield Question(subject=f"the lag of consumer {loop.settings.name}", ask=partial(_lag, loop, ends))

    def _dead_letter_questions(self) -> Iterator[Question]:
        names: dict[str, list[str]] = {}
        for loop, _ in self._loops:
            names.setdefault(loop.settings.database, []).append(loop.settings.name)
        for alias, consumers in names.items():
            subject = f'the number of dead letters in database "{alias}"'
            yield Question(subject=subject, ask=partial(_dead_letters, alias, consumers))


def _why_not_alive(loop: ConsumerLoop) -> str:
    seconds = monotonic() - loop.pulse.beat_at
    if loop.phase is Phase.STOPPED or seconds <= _patience_seconds(loop):
        return ""
    return f"consumer {loop.settings.name}: its loop has not turned for {seconds:.0f} s"


def _patience_seconds(loop: ConsumerLoop) -> float:
    if loop.is_cut_off:
        return TROUBLED_SECONDS
    return max(ALIVE_SECONDS, loop.settings.rebalance_drain_seconds + HANDOVER_SECONDS)


def _why_not_ready(loop: ConsumerLoop, measures: Measures) -> str:
    if loop.phase is Phase.STOPPED or measures.was_assigned:
        return ""
    return f"consumer {loop.settings.name}: its group has assigned nothing since the start"


def _lag(loop: ConsumerLoop, ends: PartitionEnds) -> Iterator[Sample]:
    partitions = {partition.key: partition for partition in loop.partitions}
    settings = loop.settings
    cluster = ",".join(settings.connection.servers) or settings.connection.transport
    for (topic, number), (_, end) in ends.ask(partitions).items():
        position = partitions[topic, number].ledger.next_offset
        if position is not None:
            labels = (cluster, settings.consumer_group, topic, str(number))
            yield GROUP_LAG.of(*labels, value=max(0, end - position))


def _dead_letters(alias: str, consumers: Iterable[str]) -> Iterator[Sample]:
    letters = DeadLetter.objects.using(alias).order_by().filter(consumer__in=consumers)
    try:
        found = {
            (consumer, state): count
            for consumer, state, count in letters.values_list("consumer", "state").annotate(Count("id"))
        }
    finally:
        # One that is kept would be one more for each process, idle for most of the time.
        connections[alias].close()
    for consumer in consumers:
        for state in DeadLetter.State.values:
            yield DEAD_LETTERS.of(consumer, state, value=found.get((consumer, state), 0))

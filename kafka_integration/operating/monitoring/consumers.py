"""A process of consumers, as monitoring looks at it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from time import monotonic

from django.db import connections
from django.db.models import Count

from ...consuming.loop import ConsumerLoop, Phase
from ...durations import spoken
from ...models import DeadLetter
from ...observing.families import DEAD_LETTERS, IN_FLIGHT, Sample
from ...observing.measures import Measures
from ..presence.watching import ConsumersWatch
from .asking import Answers, Question
from .losses import question_of_losses
from .partitions import Partitions
from .watched import Health

LOOK_SECONDS = 5.0
"""How often it is looked how partitions stand."""
ALIVE_SECONDS = 30.0
"""A loop that has not turned for longer is taken for dead."""
HANDOVER_SECONDS = 15.0
"""What a handover takes besides waiting for handlers."""
TROUBLED_SECONDS = 120.0
"""The same while brokers can't be reached: each question to them may take its time."""


class Consumers:
    """Loops in this process, each with what is measured of it, and the watch over all of them."""

    def __init__(self, loops: Sequence[tuple[ConsumerLoop, Measures]], watch: ConsumersWatch) -> None:
        self._loops = loops
        self._partitions = Partitions([loop for loop, _ in loops], watch, LOOK_SECONDS)
        # Apart, so that a database that doesn't answer leaves the lag known.
        lag = Question(subject="lag", ask=self._partitions.look, every_seconds=LOOK_SECONDS, most_of_the_time=1.0)
        self._answers = (Answers([lag]), Answers([*self._dead_letter_questions(), question_of_losses()]))

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Databases and brokers are asked for what only they know, as long as the block lasts."""
        with ExitStack() as all_asked:
            for answers in self._answers:
                all_asked.enter_context(answers.being_asked_for())
            yield

    def health(self) -> Health:
        not_alive = tuple(filter(None, (_why_not_alive(loop) for loop, _ in self._loops)))
        not_ready = tuple(filter(None, (_why_not_ready(loop, measures) for loop, measures in self._loops)))
        return Health(not_alive=not_alive, not_ready=not_ready + self._partitions.problems())

    def samples(self) -> Iterator[Sample]:
        for loop, measures in self._loops:
            yield from measures.samples()
            yield IN_FLIGHT.of(loop.settings.name, value=sum(partition.line.held for partition in loop.partitions))
        for answers in self._answers:
            yield from answers.samples()

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
    return f"consumer {loop.settings.name}: its loop has not turned for {spoken(seconds)}"


def _patience_seconds(loop: ConsumerLoop) -> float:
    if loop.is_cut_off:
        return TROUBLED_SECONDS
    return max(ALIVE_SECONDS, loop.settings.rebalance_drain_seconds + HANDOVER_SECONDS)


def _why_not_ready(loop: ConsumerLoop, measures: Measures) -> str:
    if loop.phase is Phase.STOPPED or measures.was_assigned:
        return ""
    return f"consumer {loop.settings.name}: its group has assigned nothing since the start"


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

"""What monitoring is told of one consumer: the facts counted by topic and class, and where its time goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..outcomes import Skip
from .counts import Counts
from .facts import Assigned, Fact, Failed, Handled, LeftOut, Lost, Parked, Replayed, Revoked, Skipped
from .families import ATTEMPTS_FAILED, LOST_MESSAGES, MESSAGES, REBALANCES, TIME_SECONDS, Sample
from .handler_times import HandlerTimes
from .time_spent import TimeSpent

MOST_CLASSES = 100
OTHERS = "others"
"""Stands for the classes of exceptions beyond ``MOST_CLASSES``: a handler may make them as it goes."""


class Measures(TimeSpent):
    """Adds up, for as long as the process runs; any thread may add and read.

    What was handled is not counted twice: it is read from the consumer's own ``counts``, which hear of it.
    """

    ignores = frozenset({Handled})

    handler_times: HandlerTimes

    def __init__(self, consumer: str) -> None:
        super().__init__(HandlerTimes())
        self.consumer = consumer
        self.counts = Counts()
        self.was_assigned = False
        """The group has said what is the consumer's, be it nothing."""
        self._messages: Counter[tuple[str, str]] = Counter()
        self._failed: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._rebalances = 0
        self._is_rebalancing = False

    def __call__(self, fact: Fact) -> None:
        match fact:
            case LeftOut(message):
                self._count(message.topic, "repeat")
            case Parked(message):
                self._count(message.topic, "dead_letter")
            case Skipped(message):
                self._count(message.topic, "skipped")
            case Failed(error=error) | Replayed(error=Exception() as error) if not isinstance(error, Skip):
                self._note_failure(error)
            case Lost(count, topic):
                with self._lock:
                    self._lost[topic] += count
            case Assigned(partitions):
                self.was_assigned = True
                # Counted from zero on: who sees a series begin at a number can't tell that it grew.
                with self._lock:
                    self._lost.update({topic: 0 for topic, _ in partitions})
                self._note_rebalance(is_over=True)
            case Revoked():
                self._note_rebalance(is_over=False)

    def samples(self) -> Iterator[Sample]:
        consumer = self.consumer
        with self._lock:
            messages, failed, rebalances = [*self._messages.items()], [*self._failed.items()], self._rebalances
            lost = [*self._lost.items()]
        for topic, count in self.counts.read_handled().items():
            yield MESSAGES.of(consumer, topic, "handled", value=count)
        for (topic, outcome), count in messages:
            yield MESSAGES.of(consumer, topic, outcome, value=count)
        for name, count in failed:
            yield ATTEMPTS_FAILED.of(consumer, name, value=count)
        for topic, count in lost:
            yield LOST_MESSAGES.of(consumer, topic, value=count)
        for phase, spent in self.read().items():
            yield TIME_SECONDS.of(consumer, phase, value=spent)
        yield REBALANCES.of(consumer, value=rebalances)
        yield from self.handler_times.samples(consumer)

    def _count(self, topic: str, outcome: str) -> None:
        with self._lock:
            self._messages[topic, outcome] += 1

    def _note_failure(self, error: Exception) -> None:
        name = f"{type(error).__module__}.{type(error).__qualname__}"[:255]
        with self._lock:
            if name not in self._failed and len(self._failed) >= MOST_CLASSES:
                name = OTHERS
            self._failed[name] += 1

    def _note_rebalance(self, *, is_over: bool) -> None:
        """What is taken away and what is given after that are one."""
        with self._lock:
            self._rebalances += not (is_over and self._is_rebalancing)
            self._is_rebalancing = not is_over

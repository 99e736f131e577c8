"""What is measured by asking others: databases and brokers, in a thread that nobody waits for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from ...observing.families import Sample
from ...summaries import summarize

logger = logging.getLogger(__name__)

ASK_SECONDS = 10.0
LOOK_SECONDS = 1.0
OLD_SECONDS = 30.0
"""So much later than the next one was due an answer counts no more: somebody keeps us waiting."""
END_SECONDS = 0.2
MOST_OF_THE_TIME = 0.01
"""What a question to a database takes at most: a table that grew large is counted more seldom."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """Something to ask; ``subject`` is what a line of the log calls it."""

    subject: str
    ask: Callable[[], Iterable[Sample]]
    every_seconds: float = ASK_SECONDS
    most_of_the_time: float = MOST_OF_THE_TIME


class Answers:
    """The last answers to some questions; what can't be answered has no samples, rather than old ones."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self._questions = [_Asked(question) for question in questions]
        self._is_over = threading.Event()
        # A daemon: a database may take minutes to refuse, and the process ends before.
        self._thread = threading.Thread(target=self._run, name="metrics-questions", daemon=True)

    @contextmanager
    def being_asked_for(self) -> Iterator[None]:
        """Ask again and again, as long as the block lasts."""
        self._thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            self._thread.join(END_SECONDS)

    def samples(self) -> list[Sample]:
        return [sample for asked in self._questions for sample in asked.samples]

    @property
    def is_waiting(self) -> bool:
        """Whether somebody doesn't answer at the moment, or did not the last time."""
        return any(asked.is_unanswered for asked in self._questions)

    def _run(self) -> None:
        while not self._is_over.is_set():
            for asked in self._questions:
                asked.ask_if_due()
            self._is_over.wait(LOOK_SECONDS)


class _Asked:
    """One question and its last answer; the asking thread's own, and anybody may read."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._answer: tuple[Sample, ...] = ()
        self.is_unanswered = True
        self._has_said = False
        self._ask_at = 0.0

    @property
    def samples(self) -> tuple[Sample, ...]:
        return self._answer if monotonic() < self._ask_at + OLD_SECONDS else ()

    def ask_if_due(self) -> None:
        began_at = monotonic()
        if began_at < self._ask_at:
            return
        self.is_unanswered = True
        try:
            self._answer = tuple(self._question.ask())
        except Exception as error:  # noqa: BLE001 - whatever it is, consumers and relays go on
            self._answer = ()
            if not self._has_said:
                logger.warning("%s is unknown to monitoring: %s", self._question.subject, summarize(error))
            self._has_said = True
        else:
            self.is_unanswered = self._has_said = False
        now, question = monotonic(), self._question
        self._ask_at = now + max(question.every_seconds, (now - began_at) / question.most_of_the_time)

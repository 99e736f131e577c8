"""What was asked of this process: taken up in time, carried out, answered. A row for each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from ...errors import CommandRefusedError, CommandUnfinishedError
from ...models import ProcessCommand
from ...summaries import summarize

logger = logging.getLogger(__name__)

TAKEN_WITHIN_SECONDS = 10.0
"""What is older was given up by whoever asked, and is not carried out."""
MOST_CHARACTERS = 200_000
_State = ProcessCommand.State

Later = Callable[[], str | None]
"""What the one who asked is told, once it is done; None until then. It is called again and again, and never waits."""
Doer = Callable[[Mapping[str, Any]], str | Later]
"""Does what is asked with these arguments; what the one who asked is told. Refuses by ``CommandRefusedError``.

What takes longer than a moment is begun, and told later: meanwhile this thread has a row to write, and other commands.
"""


class Answering:
    """Takes up what was asked of one process; one thread's own."""

    def __init__(self, alias: str, doers: Mapping[str, Doer]) -> None:
        self._alias = alias
        self._doers = doers
        self._begun: list[tuple[ProcessCommand, Later]] = []

    def look(self, process_id: int) -> None:
        """Do what there is to do, and answer what was begun: one small query where there is nothing."""
        self.answer_begun()
        for command in list(open_commands(self._alias).filter(process_id=process_id).order_by("id")):
            # Not by what was read: whoever asked may have given up meanwhile.
            if open_commands(self._alias).filter(pk=command.pk).update(state=_State.TAKEN, taken_at=Now()):
                self._carry_out(command)

    def answer_begun(self) -> None:
        """Answer what was begun before and is done by now."""
        for begun in [*self._begun]:
            command, later = begun
            if self._answer(command, later):
                self._begun.remove(begun)

    def _carry_out(self, command: ProcessCommand) -> None:
        logger.info("asked to %s (command %d)", command.name, command.pk)
        self._answer(command, lambda: self._doer_of(command)(command.arguments))

    def _answer(self, command: ProcessCommand, do: Callable[[], str | Later | None]) -> bool:
        """Whether there is an answer, or one will come."""
        answer: str | Later | None
        try:
            state, answer = _State.DONE, do()
        except CommandUnfinishedError as error:
            state, answer = _State.TAKEN, str(error)
        except CommandRefusedError as error:
            state, answer = _State.FAILED, str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, who asked is told, and all else goes on
            state, answer = _State.FAILED, f"failed: {summarize(error)}"
        if answer is None:
            return False
        if not isinstance(answer, str):
            self._begun.append((command, answer))
            return True
        taken = ProcessCommand.objects.using(self._alias).filter(pk=command.pk)
        taken.update(state=state, answer=answer[:MOST_CHARACTERS], ended_at=Now())
        return True

    def _doer_of(self, command: ProcessCommand) -> Doer:
        if command.name not in self._doers:
            raise CommandRefusedError(f"this process can't {command.name}; it can: {', '.join(sorted(self._doers))}")
        return self._doers[command.name]


def open_commands(alias: str) -> QuerySet[ProcessCommand]:
    """Those that may still be taken up."""
    in_time = Now() - timedelta(seconds=TAKEN_WITHIN_SECONDS)
    return ProcessCommand.objects.using(alias).filter(state=_State.REQUESTED, requested_at__gt=in_time)

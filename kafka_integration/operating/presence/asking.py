"""Asking processes to do something, and waiting for what they answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any

from django.db.models.functions import Now

from ...conf.producers import OperationsSettings
from ...durations import spoken
from ...errors import CommandRefusedError
from ...models import ProcessCommand
from .answering import TAKEN_WITHIN_SECONDS
from .listing import ProcessView, consumers_of, list_processes
from .row import database_of_processes

ANSWERED_WITHIN_SECONDS = 30.0
"""Once it is taken up."""
LOOK_SECONDS = 0.1
NOT_TAKEN = f"was not taken up within {spoken(TAKEN_WITHIN_SECONDS)}, and is not carried out later"
WITHDRAWN = "was withdrawn"
LOST = f"is lost, silent for %s: it does so if it is heard of within {spoken(TAKEN_WITHIN_SECONDS)}, and not later"
_State = ProcessCommand.State


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a process is asked to do. ``requested_by`` names a user, for the record."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    requested_by: str = ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of it at one process."""

    process: ProcessView
    command_id: int
    is_done: bool
    was_taken: bool
    is_open: bool
    """Its process is lost, and may do it yet, if it is heard of in time."""
    text: str


def ask(order: Order, processes: Sequence[ProcessView]) -> list[Answer]:
    """Ask these processes, and wait until all have answered or it is too late."""
    return _ask(order, processes, awaited=processes)


def ask_all(order: Order, consumer: str, settings: OperationsSettings) -> list[Answer]:
    """Ask all processes that run a consumer; ``CommandRefusedError`` where there is none.

    Lost ones are asked too and not waited for: a process that was killed is lost, and so is each for a moment that
    could not write to the database for a while. That one does what it was asked as soon as it is heard of.
    """
    processes = list_processes(settings)
    found = [process for process in processes if consumer in consumers_of([process])]
    running = [process for process in found if not process.is_lost]
    if not running:
        known = ", ".join(sorted(consumers_of(each for each in processes if not each.is_lost))) or "none"
        lost = f"; lost, and not asked: process {', '.join(str(each.id) for each in found)}" if found else ""
        raise CommandRefusedError(f'no process runs consumer "{consumer}"; those that run: {known}{lost}')
    return _ask(order, found, awaited=running)


def process_of(id: int, settings: OperationsSettings) -> ProcessView:
    """The process of this id, which runs; ``CommandRefusedError`` names those that do."""
    running = list_processes(settings)
    found = next((process for process in running if process.id == id), None)
    if found is None:
        known = ", ".join(str(process.id) for process in running) or "none"
        raise CommandRefusedError(f"there is no process {id}; kafkaprocesses list shows: {known}")
    if found.is_lost:
        raise CommandRefusedError(f"process {id} is lost: it has been silent for {spoken(found.silent_seconds)}")
    return found


def _ask(order: Order, processes: Sequence[ProcessView], *, awaited: Collection[ProcessView]) -> list[Answer]:
    alias = database_of_processes()
    rows = ProcessCommand.objects.using(alias)
    ids = {
        process.id: rows.create(
            process_id=process.id,
            name=order.name,
            arguments=dict(order.arguments),
            requested_by=order.requested_by,
        ).pk
        for process in processes
    }
    try:
        _wait(alias, [ids[process.id] for process in awaited])
    except BaseException:
        _give_up(alias, ids.values(), WITHDRAWN)
        raise
    found = rows.in_bulk(ids.values())
    return [_answer(process, found[ids[process.id]]) for process in processes]


def _wait(alias: str, ids: Collection[int]) -> None:
    asked_at = monotonic()
    open_ids = set(ids)
    while open_ids:
        unanswered = ProcessCommand.objects.using(alias).filter(pk__in=open_ids, ended_at=None)
        open_ids = set(unanswered.values_list("pk", flat=True))
        waited = monotonic() - asked_at
        if waited > TAKEN_WITHIN_SECONDS:
            _give_up(alias, open_ids, NOT_TAKEN)
        if waited > TAKEN_WITHIN_SECONDS + ANSWERED_WITHIN_SECONDS:
            return
        sleep(LOOK_SECONDS if open_ids else 0)


def _give_up(alias: str, ids: Collection[int], why: str) -> None:
    rows = ProcessCommand.objects.using(alias).filter(pk__in=ids, state=_State.REQUESTED)
    rows.update(state=_State.FAILED, answer=why, ended_at=Now())


def _answer(process: ProcessView, row: ProcessCommand) -> Answer:
    was_taken, is_open = row.taken_at is not None, process.is_lost and row.ended_at is None
    if row.ended_at is not None:
        text = row.answer
    elif is_open:
        text = "was lost, and has taken it up now" if was_taken else LOST % spoken(process.silent_seconds)
    else:
        text = "was taken up, but not answered: its process may have ended"
    return Answer(
        process=process,
        command_id=row.pk,
        is_done=row.state == _State.DONE,
        was_taken=was_taken,
        is_open=is_open,
        text=text,
    )

"""Moving a group's offsets as it was planned: by its owners, or in Kafka and the database where there are none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from time import monotonic, sleep

from django.db import OperationalError

from ...client.committed import OFFSETS_IN_KAFKA
from ...client.metadata.group_offsets import GroupOffsets
from ...client.metadata.partition_ends import Place
from ...client.metadata.topic_ids import TopicIds
from ...conf.consumers import ConsumerSettings
from ...conf.settings import Settings
from ...consuming.committing.store import OffsetStore
from ...consuming.failing.outages import is_conflict
from ...errors import ResetRefusedError
from ..presence.asking import Order, ask
from ..presence.listing import list_processes
from ..presence.resetting import RESET, arguments_of_reset
from .owners import Owner, Owners, live_processes, owners_of
from .planning import Move, Plan

LOCK_SECONDS = 15.0
"""Longer than a worker that froze in the middle of its transaction keeps the partition's row."""
LOCK_AGAIN_SECONDS = 0.2


def carry_out(settings: Settings, plan: Plan, *, requested_by: str = "") -> tuple[str, ...]:
    """Move the offsets; who moved them, where that were processes that own the partitions and go on working.

    Raises ``ResetRefusedError`` where it can't be done: somebody is at work whom this can't reach, say.
    """
    if plan.unknown:
        raise ResetRefusedError(
            f"where {_names(move.place for move in plan.unknown)} begin and end can't be known now (no leader?): "
            "nothing was moved"
        )
    connections = dict.fromkeys(move.consumer.connection for move in plan.moves)
    owners = owners_of(connections, plan.group, live_processes(settings.operations), settings.operations)
    if owners.are_there:
        return _have_moved(settings, plan, _owners_of_all(plan, owners), requested_by)
    for consumer in {move.consumer.name: move.consumer for move in plan.moves}.values():
        _move(consumer, [move for move in plan.moves if move.consumer.name == consumer.name])
    return ()


def _owners_of_all(plan: Plan, owners: Owners) -> Mapping[Place, Owner]:
    if foreign := owners.foreign():
        who = ", ".join(sorted(map(str, foreign)))
        raise ResetRefusedError(
            f"group {plan.group} has members of which no process says that it is one of ours ({who}): stop them first, "
            "or try again in a few seconds if the group has just been divided anew; nothing was moved"
        )
    ours = owners.ours or {}
    if missing := [move.place for move in plan.moves if move.place not in ours]:
        raise ResetRefusedError(
            f"group {plan.group} is at work, and nobody says that {_names(missing)} is theirs: try again in a few "
            "seconds; nothing was moved"
        )
    return ours


def _have_moved(settings: Settings, plan: Plan, owners: Mapping[Place, Owner], requested_by: str) -> tuple[str, ...]:
    """One process after the other: each finishes what it has in hand, and goes on elsewhere."""
    processes = {process.id: process for process in list_processes(settings.operations)}
    offsets: dict[tuple[int, str], dict[Place, int]] = {}
    for move in plan.moves:
        if move.to is not None:
            owner = owners[move.place]
            offsets.setdefault((owner.process_id, move.consumer.name), {})[move.place] = move.to
    moved, others = [], []
    for (process_id, consumer), wanted in sorted(offsets.items()):
        order = Order(name=RESET, arguments=arguments_of_reset(consumer, wanted), requested_by=requested_by)
        known = [processes[process_id]] if process_id in processes else []
        answers = ask(order, known)
        who = str(owners[next(iter(wanted))])
        if answers and answers[0].is_done:
            moved.append(who)
        elif answers and answers[0].was_taken:
            # It says itself what of that it has done.
            others.append(f"{who}: {answers[0].text}")
        else:
            others.append(f"not moved: {_names(wanted)} ({who}): {answers[0].text if answers else 'it has ended'}")
    if others:
        done = [f"moved by {', '.join(moved)}"] if moved else []
        raise ResetRefusedError(f"group {plan.group}: {'; '.join([*done, *others])}")
    return tuple(moved)


def _names(places: Iterable[Place]) -> str:
    return ", ".join(f"{topic}[{number}]" for topic, number in sorted(places))


def _move(consumer: ConsumerSettings, moves: Sequence[Move]) -> None:
    """Kafka's offsets first: until the stored ones have moved too, these count, and the group goes on where it was.

    The other way round a word in Kafka, from before the database kept the offsets, would take back what was moved.
    """
    is_stored = consumer.offset_storage == "database"
    with GroupOffsets(consumer.connection, consumer.consumer_group) as offsets:
        offsets.move(
            {move.place: move.to for move in moves if move.to is not None},
            # What follows the database carries no word of its own.
            metadata="" if is_stored else OFFSETS_IN_KAFKA,
        )
    if is_stored:
        _move_stored(consumer, moves)


def _move_stored(consumer: ConsumerSettings, moves: Iterable[Move]) -> None:
    offsets = {move.place: move.to for move in moves if move.to is not None}
    with TopicIds(consumer.connection) as ids:
        topic_ids = {topic: ids.ask(topic) for topic in {topic for topic, _ in offsets}}
    store = OffsetStore(database=consumer.database, group=consumer.consumer_group)
    give_up_at = monotonic() + LOCK_SECONDS
    while True:
        try:
            store.move_to(offsets, topic_ids)
            return
        except OperationalError as error:
            if not is_conflict(error) or monotonic() >= give_up_at:
                raise
            sleep(LOCK_AGAIN_SECONDS)

"""Moving a group's offsets as it was planned: in Kafka, and in the database where that counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import monotonic, sleep

from django.db import OperationalError

from ...client.consumer import OFFSETS_IN_KAFKA
from ...client.metadata.group_offsets import GroupOffsets
from ...client.metadata.topic_ids import TopicIds
from ...conf.values import ConsumerSettings, Settings
from ...consuming.failing.outages import is_conflict
from ...consuming.offsets.store import OffsetStore
from ...errors import ResetRefusedError
from .owners import Owners, owners_of
from .planning import Move, Plan

LOCK_SECONDS = 15.0
"""Longer than a worker that froze in the middle of its transaction keeps the partition's row."""
LOCK_AGAIN_SECONDS = 0.2


def carry_out(settings: Settings, plan: Plan) -> None:
    """Move the offsets of a group that has no members.

    Raises ``ResetRefusedError`` where somebody is at work whom this can't reach, before anything was moved.
    """
    if plan.unknown:
        names = ", ".join(f"{move.topic}[{move.partition}]" for move in plan.unknown)
        raise ResetRefusedError(f"where {names} begin and end can't be known now (no leader?): nothing was moved")
    connections = dict.fromkeys(move.consumer.connection for move in plan.moves)
    _require_nobody(plan, owners_of(connections, plan.group, writes_rows=settings.operations.rows))
    for consumer in {move.consumer.name: move.consumer for move in plan.moves}.values():
        _move(consumer, [move for move in plan.moves if move.consumer.name == consumer.name])


def _require_nobody(plan: Plan, owners: Owners) -> None:
    if members := owners.members:
        who = ", ".join(sorted(map(str, members)))
        raise ResetRefusedError(f"group {plan.group} has members ({who}): stop them first; nothing was moved")
    if owners.members is None and owners.ours:
        who = ", ".join(sorted({str(owner) for owner in owners.ours.values()}))
        raise ResetRefusedError(f"group {plan.group} is at work ({who}): stop it first; nothing was moved")


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
    ask = TopicIds(consumer.connection).ask
    topic_ids = {topic: ask(topic) for topic in {topic for topic, _ in offsets}}
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

"""What is finished above a partition's stored offset, saved in the transaction of its effects: for many lanes at once.

The partition's row would be a queue for them. So each message has a row of its own, and from time to time the offset is
moved up to the lowest unfinished one. A message that has its row, or is below the offset, can't get another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from threading import local
from typing import Any

from django.db import connections, transaction

from ...errors import FencedError
from ..offsets.ledger import Ledger
from ..ordering.stream import Claim, Stream
from ..partition import Partition
from .prepared import Prepared
from .store import FINISHED, PAGE, OffsetStore

FROZEN_SECONDS = 10
"""A worker that is frozen between saving and COMMIT holds up the claims of its partition for no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The lowest unfinished offset of a partition, and by what claim it is known: none of it may be of a later one."""

    partition: Partition
    ledger: Ledger
    claim: Claim
    stored: int
    offset: int
    saved: set[int]
    """What the database holds beyond ``stored``; lanes add to it, for offsets above the floor."""

    @property
    def is_present(self) -> bool:
        return self.partition.ledger is self.ledger and self.partition.claim is self.claim


class FinishedOffsets:
    """The messages of one group that are finished beyond its stored offsets; any lane may call it."""

    def __init__(self, store: OffsetStore) -> None:
        self._store = store
        self._slots = _Slots(store.fences.count, count())
        self._save = _SAVE[connections[store.database].vendor]

    def save(self, partition: Stream, offset: int, leader_epoch: int | None = None) -> None:
        """Note that a message is finished, by the last statement of the transaction that holds its effects.

        ``FencedError`` if the partition isn't ours any more, lost what was stored, or has the message already, and not
        one that an earlier leader wrote there.
        """
        if not self._insert(partition, offset, leader_epoch):
            raise FencedError(
                f"{partition} of group {self._store.group} was claimed by another worker, lost what was stored, or has "
                f"{offset} finished already: the work rolls back"
            )

    def is_saved(self, partition: Stream, offset: int, leader_epoch: int | None = None) -> bool:
        """Whether a message is finished, after a COMMIT whose answer was lost; ``FencedError`` as for ``save``.

        It tries to save it: where the transaction in doubt is still under way, that waits for it.
        """
        with transaction.atomic(using=self._store.database):
            with connections[self._store.database].cursor() as cursor:
                self._store.limit_waiting(cursor)
            is_new = self._insert(partition, offset, leader_epoch)
            transaction.set_rollback(True, using=self._store.database)
        if is_new:
            return False
        if offset in self._store.finished_beyond(partition, partition.claim).offsets:
            return True
        raise FencedError(f"{partition} of group {self._store.group} was claimed by another worker")

    def move(self, floors: Sequence[Floor]) -> list[Partition]:
        """Move stored offsets up to these floors, and forget what is finished below.

        Returns those of which the database lacks what was committed to it: their offsets stay as they are, as do those
        of partitions that aren't ours any more.
        """
        # In the order of claims, so that no two wait for each other.
        ordered = sorted((floor for floor in floors if floor.is_present), key=lambda floor: floor.partition.key)
        lost: list[Partition] = []
        for first in range(0, len(ordered), PAGE):
            lost += self._move_page(ordered[first : first + PAGE])
        return lost

    def _move_page(self, floors: Sequence[Floor]) -> list[Partition]:
        moved: list[tuple[Floor, set[int]]] = []
        lost: list[Partition] = []
        with transaction.atomic(using=self._store.database), connections[self._store.database].cursor() as cursor:
            self._store.limit_waiting(cursor)
            for floor in floors:
                # A copy is made at once, whoever adds to the original meanwhile.
                below = {offset for offset in floor.saved.copy() if offset < floor.offset}
                between = floor.stored, floor.offset - 1
                if self._store.move(cursor, floor.partition, floor.offset, claim=floor.claim, between=between):
                    moved.append((floor, below))
                    if self._forget(cursor, floor) < len(below):
                        lost.append(floor.partition)
            if lost:
                transaction.set_rollback(True, using=self._store.database)
        if not lost:
            for floor, below in moved:
                floor.saved.difference_update(below)
                floor.partition.store(floor.offset)
        return lost

    def _forget(self, cursor: Any, floor: Floor) -> int:
        """How many rows there were below the floor: as many as we wrote, or the database has lost some."""
        cursor.execute(
            f'DELETE FROM {FINISHED} WHERE "offset" < %s AND stored_id = ('
            'SELECT id FROM kafka_integration_storedoffset '
            'WHERE "group" = %s AND topic = %s AND topic_id = %s AND partition = %s)',
            [
                floor.offset, self._store.group, floor.partition.topic, floor.claim.topic_id, floor.partition.number,
            ],
        )  # fmt: skip
        return int(cursor.rowcount)

    def _insert(self, partition: Stream, offset: int, leader_epoch: int | None) -> bool:
        claim = partition.claim
        connection = connections[self._store.database]
        with connection.cursor() as cursor:
            self._save.execute(
                cursor,
                connection,
                {
                    "offset": offset,
                    "leader_epoch": leader_epoch,
                    "group": self._store.group,
                    "topic": partition.topic,
                    "topic_id": claim.topic_id,
                    "partition": partition.number,
                    "epoch": claim.epoch,
                    "stored": partition.stored or 0,
                    "slot": self._slots.number,
                    "frozen": f"{FROZEN_SECONDS}s",
                },
            )
            return bool(cursor.rowcount == 1)


class _Slots(local):
    """Which fence is a lane's own; each thread has its ``number``."""

    def __init__(self, most: int, threads: Iterator[int]) -> None:
        self.number = next(threads) % most if most else 0


_TYPES = {
    "offset": "bigint",
    "leader_epoch": "integer",
    "group": "text",
    "topic": "text",
    "topic_id": "text",
    "partition": "integer",
    "epoch": "bigint",
    "stored": "bigint",
    "slot": "integer",
    "frozen": "text",
}

# A claim raises the partition's row first and then its fences, and so waits for whoever has locked one here. Who comes
# after it finds another epoch in the fence, which is read when it is locked: the rest may be from before.
# From here to COMMIT a session that has no limit of its own gets one: a frozen one would hold up every claim.
_SAVE = {
    "postgresql": Prepared(
        "kafka_integration_finish",
        """
        INSERT INTO kafka_integration_finishedoffset AS o (stored_id, "offset", leader_epoch)
        SELECT s.id, %(offset)s, CAST(%(leader_epoch)s AS integer)
        FROM kafka_integration_storedoffset s JOIN kafka_integration_offsetfence f ON f.stored_id = s.id
        WHERE s."group" = %(group)s AND s.topic = %(topic)s AND s.topic_id = %(topic_id)s
            AND s.partition = %(partition)s AND s.epoch = %(epoch)s
            AND s.next_offset BETWEEN %(stored)s AND %(offset)s
            AND f.slot = %(slot)s AND f.epoch = %(epoch)s
            AND CASE current_setting('idle_in_transaction_session_timeout') WHEN '0'
                THEN set_config('idle_in_transaction_session_timeout', %(frozen)s, true) <> '' ELSE true END
        FOR UPDATE OF f
        ON CONFLICT (stored_id, "offset") DO UPDATE SET leader_epoch = EXCLUDED.leader_epoch
            WHERE o.leader_epoch < EXCLUDED.leader_epoch
        """,
        _TYPES,
    ),
    "sqlite": Prepared(
        "kafka_integration_finish",
        """
        INSERT INTO kafka_integration_finishedoffset AS o (stored_id, "offset", leader_epoch)
        SELECT s.id, %(offset)s, %(leader_epoch)s FROM kafka_integration_storedoffset s
        WHERE s."group" = %(group)s AND s.topic = %(topic)s AND s.topic_id = %(topic_id)s
            AND s.partition = %(partition)s AND s.epoch = %(epoch)s
            AND s.next_offset BETWEEN %(stored)s AND %(offset)s
        ON CONFLICT (stored_id, "offset") DO UPDATE SET leader_epoch = EXCLUDED.leader_epoch
            WHERE o.leader_epoch < EXCLUDED.leader_epoch
        """,
        _TYPES,
    ),
}

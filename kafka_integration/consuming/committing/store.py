"""Offsets kept in the database, in the transaction of the handler's own writes: exactly-once effects.

A row's epoch is raised at each claim. A worker saves with the epoch of its own claim, so one that lost its
partition hits no row and rolls back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from ...errors import FencedError
from ...models import FinishedOffset, StoredOffset
from ..offsets.beyond import NOTHING, Beyond, beyond_of
from ..ordering.stream import Claim, Stream
from .fences import Fences
from .prepared import Prepared

LOCK_TIMEOUT_MS = 100
"""A claim is tried again: meanwhile its lane has other partitions to serve."""
FINISHED = "kafka_integration_finishedoffset"
PAGE = 100
"""Rows in one transaction: on SQLite everybody else waits meanwhile."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim returns: where to go on, and the epoch and id to save with."""

    next_offset: int
    epoch: int
    topic_id: str
    former: int | None = None
    """What the row held before; None where there was none."""


class OffsetStore:
    """The stored offsets of one group on one database alias; thread-safe, as it holds no connection.

    ``lanes`` is how many save at a time what is finished beyond one (``finished.py``).
    """

    def __init__(self, *, database: str, group: str, lanes: int = 0) -> None:
        self.database = database
        self.group = group
        self.fences = Fences(connections[database].vendor, lanes)
        self._table = connections[database].ops.quote_name(StoredOffset._meta.db_table)

    def reset(self, partition: Stream, claim: Claim, offset: int, *, forgets_beyond: bool = False) -> None:
        """Set the stored offset, where the one it holds is no longer in the topic, or somebody wants another one.

        What is finished beyond stays so where it goes on further ahead, unless it ``forgets_beyond``. From where it
        goes back to, or begins at once, other messages come than those that were finished there.
        """
        goes_ahead = offset > (partition.ledger.taken or 0) and not forgets_beyond
        rows = self._rows(partition.topic, claim.topic_id, partition.number).filter(epoch=claim.epoch)
        finished = FinishedOffset.objects.using(self.database).filter(stored__in=rows)
        with transaction.atomic(using=self.database):
            (finished.filter(offset__lt=offset) if goes_ahead else finished).delete()
            rows.update(next_offset=offset, updated_at=timezone.now())

    def move_to(self, offsets: Mapping[tuple[str, int], int], topic_ids: Mapping[str, str]) -> None:
        """Set stored offsets of which nobody is known to be the owner: all of them, or none.

        Whoever works under one of them all the same is fenced. What was finished beyond is handled again where it
        comes again: that is what moving an offset means.
        """
        with transaction.atomic(using=self.database):
            # In the order of claims, so that no two wait for each other.
            for (topic, number), offset in sorted(offsets.items()):
                found = self.claim(topic=topic, topic_id=topic_ids[topic], partition=number, fallback=offset)
                rows = self._rows(topic, found.topic_id, number)
                FinishedOffset.objects.using(self.database).filter(stored__in=rows).delete()
                rows.update(next_offset=offset, updated_at=timezone.now())

    def finished_beyond(self, partition: Stream, claim: Claim) -> Beyond:
        """What is finished at or above the stored offset, to be asked once it was claimed.

        In a transaction of its own: that of the claim may not see what was committed while it waited.
        """
        rows = self._rows(partition.topic, claim.topic_id, partition.number)
        finished = FinishedOffset.objects.using(self.database).filter(stored__in=rows)
        found = finished.filter(offset__gte=F("stored__next_offset")).values_list("offset", "leader_epoch")
        return beyond_of(dict(found))

    def claim(
        self,
        *,
        topic: str,
        topic_id: str,
        partition: int,
        fallback: int,
        at_least: int = 0,
        beyond: Beyond = NOTHING,
    ) -> Claimed:
        """Raise the epoch and read the offset in one statement; without a row, begin at ``fallback``.

        A row that holds less than ``at_least`` is taken there, and what was finished ``beyond`` that, elsewhere, is
        finished here too.

        Reading first and raising after would let the former owner commit in between. Waits for the row's
        lock, so a transaction in doubt is decided once this returns. ``topic_id`` is ``""`` where the broker has none:
        that says nothing, so the row of the last id is meant. While brokers are upgraded some tell ids and some don't,
        and a row for each answer would be two owners, of which neither is fenced.
        """
        connection = connections[self.database]
        with transaction.atomic(using=self.database), connection.cursor() as cursor:
            self.limit_waiting(cursor)
            known = self._known(topic, partition)
            named = [known_id for known_id in known if known_id]
            if not topic_id and named:
                topic_id = named[-1]
            unnamed = self._take_unnamed(cursor, topic, partition) if topic_id and "" in known else None
            heir_of = None
            if topic_id not in known and named:
                # The name belonged to a topic that was deleted: its offsets mean nothing in the new one.
                fallback, at_least, beyond = 0, 0, NOTHING
            elif unnamed is not None:
                heir_of, offset = unnamed
                fallback = at_least = max(at_least, offset)
            stored_id, next_offset, epoch = self._raise(cursor, topic, topic_id, partition, fallback, at_least)
            self.fences.raise_to(cursor, stored_id, epoch)
            if beyond.offsets:
                cursor.executemany(
                    f'INSERT INTO {FINISHED} (stored_id, "offset", leader_epoch) VALUES (%s, %s, %s) '
                    "ON CONFLICT DO NOTHING",
                    [(stored_id, offset, beyond.epoch) for offset in beyond.offsets],
                )
            self._tidy(cursor, stored_id, next_offset, heir_of)
        return Claimed(next_offset=next_offset, epoch=epoch, topic_id=topic_id, former=known.get(topic_id))

    def save(self, partition: Stream, *, first: int, next_offset: int) -> None:
        """Move the offset from ``first`` (or below) to ``next_offset``; ``FencedError`` if it isn't ours any more.

        The last statement of the transaction that holds the effects of the messages in between. A row below what was
        committed before has lost that, as has the database the effects: going on from here would leave them out.
        """
        with connections[self.database].cursor() as cursor:
            between = partition.stored or 0, first
            if not self.move(cursor, partition, next_offset, claim=partition.claim, between=between):
                raise FencedError(
                    f"{partition} of group {self.group} was claimed by another worker, or lost what was stored: "
                    f"the work at {first} rolls back"
                )

    def store_ends(self, ends: Sequence[tuple[Stream, int]]) -> None:
        """Move the offsets to where the partitions end, everything before that being finished.

        Those that aren't ours any more stay as they are: whoever claimed them finds the end as well.
        """
        # In the order of claims, so that no two wait for each other.
        ordered = sorted(ends, key=lambda end: end[0].key)
        for first in range(0, len(ordered), PAGE):
            page = ordered[first : first + PAGE]
            with transaction.atomic(using=self.database), connections[self.database].cursor() as cursor:
                self.limit_waiting(cursor)
                is_moved = [
                    self.move(cursor, p, end, claim=p.claim, between=(p.stored or 0, end - 1)) for p, end in page
                ]
            for (partition, end), moved in zip(page, is_moved, strict=True):
                if moved:
                    partition.store(end)

    def lost_by(self, topic: str, topic_id: str, stored: Mapping[int, int]) -> set[int]:
        """Which of these partitions, given with what was committed of them, the database now knows less of."""
        rows = StoredOffset.objects.using(self.database).filter(group=self.group, topic=topic, topic_id=topic_id)
        known = dict(rows.values_list("partition", "next_offset"))
        return {number for number, offset in stored.items() if known.get(number, -1) < offset}

    def confirm(self, partition: Stream) -> None:
        """``FencedError`` if the partition isn't ours any more; otherwise it stays so until the transaction ends."""
        with connections[self.database].cursor() as cursor:
            cursor.execute(
                f"UPDATE {self._table} SET updated_at = %s "
                'WHERE "group" = %s AND topic = %s AND topic_id = %s AND partition = %s AND epoch = %s',
                [
                    timezone.now(), self.group, partition.topic, partition.claim.topic_id, partition.number,
                    partition.claim.epoch,
                ],
            )  # fmt: skip
            if cursor.rowcount != 1:
                raise FencedError(f"{partition} of group {self.group} was claimed by another worker")

    def move(self, cursor: Any, partition: Stream, next_offset: int, *, claim: Claim, between: tuple[int, int]) -> bool:
        """Whether the row is ours still, by this claim, and its offset was between what we know and what may be."""
        least, most = between
        _MOVE.execute(
            cursor,
            connections[self.database],
            {
                "next_offset": next_offset,
                "now": timezone.now(),
                "group": self.group,
                "topic": partition.topic,
                "topic_id": claim.topic_id,
                "partition": partition.number,
                "epoch": claim.epoch,
                "least": least,
                "most": most,
            },
        )
        return bool(cursor.rowcount == 1)

    def limit_waiting(self, cursor: Any) -> None:
        """Until the transaction ends; SQLite has its ``timeout`` for all locks."""
        if connections[self.database].vendor == "postgresql":
            cursor.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")

    def _known(self, topic: str, partition: int) -> dict[str, int]:
        """The ids of which there is a row and the offset in it, that of the newest topic at the end."""
        rows = StoredOffset.objects.using(self.database).filter(group=self.group, topic=topic, partition=partition)
        return dict(rows.order_by("pk").values_list("topic_id", "next_offset"))

    def _raise(
        self, cursor: Any, topic: str, topic_id: str, partition: int, fallback: int, at_least: int
    ) -> tuple[int, int, int]:
        """The row's id, offset and epoch, which is a new one."""
        cursor.execute(
            f'INSERT INTO {self._table} AS o ("group", topic, topic_id, partition, next_offset, epoch, updated_at) '
            'VALUES (%s, %s, %s, %s, %s, 1, %s) ON CONFLICT ("group", topic, topic_id, partition) DO UPDATE SET '
            "epoch = o.epoch + 1, next_offset = CASE WHEN o.next_offset < %s THEN %s ELSE o.next_offset END "
            "RETURNING id, next_offset, epoch",
            [self.group, topic, topic_id, partition, fallback, timezone.now(), at_least, at_least],
        )
        stored_id, next_offset, epoch = cursor.fetchone()
        return stored_id, next_offset, epoch

    def _rows(self, topic: str, topic_id: str, partition: int) -> QuerySet[StoredOffset]:
        return StoredOffset.objects.using(self.database).filter(
            group=self.group, topic=topic, topic_id=topic_id, partition=partition
        )

    def _take_unnamed(self, cursor: Any, topic: str, partition: int) -> tuple[int, int] | None:
        """What was stored while the brokers told no id; whoever still works under that row is fenced."""
        cursor.execute(
            f'DELETE FROM {self._table} WHERE "group" = %s AND topic = %s AND topic_id = %s AND partition = %s '
            "RETURNING id, next_offset",
            [self.group, topic, "", partition],
        )
        row = cursor.fetchone()
        if row is None:
            return None
        self.fences.remove(cursor, row[0])
        return int(row[0]), int(row[1])

    def _tidy(self, cursor: Any, stored_id: int, next_offset: int, heir_of: int | None) -> None:
        """Keep what is finished beyond the offset, that of another row too whose place this one takes, and no more."""
        if heir_of is not None:
            cursor.execute(
                f'INSERT INTO {FINISHED} (stored_id, "offset", leader_epoch) '
                f'SELECT %s, "offset", leader_epoch FROM {FINISHED} WHERE stored_id = %s ON CONFLICT DO NOTHING',
                [stored_id, heir_of],
            )
            cursor.execute(f"DELETE FROM {FINISHED} WHERE stored_id = %s", [heir_of])
        cursor.execute(f'DELETE FROM {FINISHED} WHERE stored_id = %s AND "offset" < %s', [stored_id, next_offset])


_MOVE = Prepared(
    "kafka_integration_move",
    """
        UPDATE kafka_integration_storedoffset SET next_offset = %(next_offset)s, updated_at = %(now)s
        WHERE "group" = %(group)s AND topic = %(topic)s AND topic_id = %(topic_id)s AND partition = %(partition)s
            AND epoch = %(epoch)s AND next_offset BETWEEN %(least)s AND %(most)s
    """,
    {
        "next_offset": "bigint",
        "now": "timestamptz",
        "group": "text",
        "topic": "text",
        "topic_id": "text",
        "partition": "integer",
        "epoch": "bigint",
        "least": "bigint",
        "most": "bigint",
    },
)

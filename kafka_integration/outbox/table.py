"""The outbox table as the relay reads and clears it: in SQL, a page at a time, every change under its epoch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from django.db import connections
from django.db.models import Count

from ..headers import Headers, load_headers
from ..models import OutboxMessage
from .statements import statements_of, walking


class OutboxRow(NamedTuple):
    """One published message. A tuple, because the relay makes as many of them as the broker takes."""

    id: int
    topic: str
    key: bytes | None
    value: bytes | None
    dumped_headers: Any
    """As the driver gave them: perhaps as text, and perhaps none that ``publish`` wrote."""
    partition: int | None
    timestamp_ms: int | None
    stamp: int
    """When it was written. A database that lost what it had committed gives out the same ids again, for other rows."""

    def load_headers(self) -> Headers:
        """Its headers; raises some error or other for what ``publish`` did not write."""
        dumped = self.dumped_headers
        return load_headers(_read_json(dumped)[0] if isinstance(dumped, str) else dumped)


class Outbox:
    """The rows of one database. Every change is refused, silently, once another relay has raised the epoch."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._sql = statements_of(alias)

    def read(
        self, limit: int, *, max_bytes: int, without_ids: Collection[int] = (), without_topics: Collection[str] = ()
    ) -> list[OutboxRow]:
        """The oldest rows that may be sent: neither refused nor held back by a refused row of their key.

        There is no “greater than the last id”: a transaction with lower ids may commit after one with higher ones.
        At most about ``max_bytes`` of keys, values and headers are read, but one row at least.
        """
        parameters = {
            "limit": limit,
            "max_bytes": max_bytes,
            "without_ids": self._sql.numbers(without_ids),
            "without_topics": self._sql.texts(without_topics),
        }
        with walking(self.alias) as cursor:
            cursor.execute(self._sql.PAGE, parameters)
            return [_row(*found) for found in cursor.fetchall()]

    def delete(self, stamps: Mapping[int, int], epoch: int) -> int:
        """How many of the rows, given by id with their stamps, were removed.

        Fewer than asked for if some were discarded, or the lease was lost, or the database lost these rows.
        """
        numbers = self._sql.numbers
        return self._change(self._sql.DELETE, ids=numbers(stamps), stamps=numbers(set(stamps.values())), epoch=epoch)

    def refuse(self, row_id: int, stamp: int, reason: str, epoch: int) -> bool:
        """Mark a row as refused, so that it is seen and holds its key; False if it is gone or the lease is."""
        return bool(self._change(self._sql.REFUSE, id=row_id, stamp=stamp, reason=reason, epoch=epoch))

    def left_of(self, last_id: int) -> Counter[str]:
        """How many rows up to this one are there and not refused, by topic."""
        rows = OutboxMessage.objects.using(self.alias).filter(pk__lte=last_id, refused_at=None)
        return Counter(dict(rows.order_by().values_list("topic").annotate(Count("pk"))))

    def last_id(self) -> int:
        """The highest id there is now; 0 in an empty outbox."""
        return OutboxMessage.objects.using(self.alias).order_by("-pk").values_list("pk", flat=True).first() or 0

    def _change(self, statement: str, **parameters: str | int) -> int:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(statement, parameters)
            return int(cursor.rowcount)


def _row(
    pk: int, topic: str, key: Any, value: Any, headers: Any, partition: int | None, timestamp_ms: int | None, stamp: int
) -> OutboxRow:
    # A driver may hand out a memoryview, SQLite what others wrote as text, which the client takes too.
    key = bytes(key) if type(key) is memoryview else key
    value = bytes(value) if type(value) is memoryview else value
    return OutboxRow(pk, topic, key, value, headers, partition, timestamp_ms, stamp)


# json.loads looks for white space around, which neither database leaves there.
_read_json = json.JSONDecoder().raw_decode

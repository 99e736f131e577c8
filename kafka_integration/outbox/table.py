"""The outbox table as the relay reads and clears it: in SQL, a page at a time, every change under its epoch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from django.db import connections
from django.db.models import Count

from ..headers import Headers, load_headers
from ..models import OutboxMessage, RelayLease
from .dialect import dialect_of, walking

LEASE_NAME = "outbox"


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
        self._dialect = dialect_of(alias)
        quote = connections[alias].ops.quote_name
        names = {"outbox": quote(OutboxMessage._meta.db_table), "lease": quote(RelayLease._meta.db_table)}
        stamp = self._dialect.stamp.format("created_at")
        self._page = _PAGE.format(
            **names,
            stamp=stamp,
            held=self._dialect.of_unknown_number.format(_HELD.format(**names, is_refused=self._dialect.is_refused)),
            is_refused=self._dialect.is_refused,
            not_in_flight=self._dialect.none_of_numbers.format("m.id"),
            not_waiting=self._dialect.none_of_texts.format("m.topic"),
            ahead=self._dialect.ids_of_unknown_number.format(_AHEAD.format(**names)),
            stored_octets=self._dialect.stored_octets.format("m.headers"),
            as_text=self._dialect.as_text.format("m.headers"),
            octets=self._dialect.octets_of_text.format("m.headers"),
        )
        any_of = self._dialect.any_of
        self._delete = _DELETE.format(**names, these=any_of.format("id"), written_then=any_of.format(stamp))
        self._refuse = _REFUSE.format(**names, now=self._dialect.now, stamp=stamp)
        self._last_id = "SELECT id FROM {outbox} ORDER BY id DESC LIMIT 1".format(**names)

    def read(
        self, limit: int, *, max_bytes: int, without_ids: Collection[int] = (), without_topics: Collection[str] = ()
    ) -> list[OutboxRow]:
        """The oldest rows that may be sent: neither refused nor held back by a refused row of their key.

        There is no “greater than the last id”: a transaction with lower ids may commit after one with higher ones.
        At most about ``max_bytes`` of keys, values and headers are read, but one row at least.
        """
        skipped = [self._dialect.numbers(without_ids), self._dialect.texts(without_topics)]
        with walking(self.alias) as cursor:
            cursor.execute(self._page, [*skipped, limit, max_bytes, limit, max_bytes])
            return [_row(*found) for found in cursor.fetchall()]

    def delete(self, stamps: Mapping[int, int], epoch: int) -> int:
        """How many of the rows, given by id with their stamps, were removed.

        Fewer than asked for if some were discarded, or the lease was lost, or the database lost these rows.
        """
        numbers = self._dialect.numbers
        with connections[self.alias].cursor() as cursor:
            cursor.execute(self._delete, [numbers(stamps), numbers(set(stamps.values())), LEASE_NAME, epoch])
            return int(cursor.rowcount)

    def refuse(self, row_id: int, stamp: int, reason: str, epoch: int) -> bool:
        """Mark a row as refused, so that it is seen and holds its key; False if it is gone or the lease is."""
        with connections[self.alias].cursor() as cursor:
            cursor.execute(self._refuse, [reason, row_id, stamp, LEASE_NAME, epoch])
            return bool(cursor.rowcount)

    def left_of(self, last_id: int) -> Counter[str]:
        """How many rows up to this one are there and not refused, by topic."""
        rows = OutboxMessage.objects.using(self.alias).filter(pk__lte=last_id, refused_at=None)
        return Counter(dict(rows.order_by().values_list("topic").annotate(Count("pk"))))

    def last_id(self) -> int:
        """The highest id there is now; 0 in an empty outbox."""
        with connections[self.alias].cursor() as cursor:
            cursor.execute(self._last_id)
            found = cursor.fetchone()
            return found[0] if found else 0


def _row(
    row_id: int,
    topic: str,
    key: Any,
    value: Any,
    headers: Any,
    partition: int | None,
    timestamp_ms: int | None,
    stamp: int,
) -> OutboxRow:
    # A driver may hand out a memoryview, SQLite what others wrote as text, which the client takes too.
    key = bytes(key) if type(key) is memoryview else key
    value = bytes(value) if type(value) is memoryview else value
    return OutboxRow(row_id, topic, key, value, headers, partition, timestamp_ms, stamp)


# json.loads looks for white space around, which neither database leaves there.
_read_json = json.JSONDecoder().raw_decode
# Lengths of keys and values are known without reading them, those of headers only as they are stored, perhaps
# compressed. So a first sum leaves few rows whose headers are read for the second: a page of large rows costs no more
# memory than one of small ones. (The second LIMIT takes nothing away: it has the text of headers made once, not twice.)
#
# What is held is asked for by sets that are made once for the whole page, so that thousands of refused keys cost little
# more than one. Neither is made by a join, nor left to be turned into one (hence IS TRUE): a planner that last saw this
# table empty, as it mostly is, would compare each row with each refused key. The second set, of the rows that come
# before the refused one of their key, is made only if there are held rows at all.
_PAGE = """
WITH held AS MATERIALIZED ({held})
SELECT id, topic, key, value, headers, partition, timestamp_ms, {stamp} FROM (
    SELECT m.*, sum(octets) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) - octets AS octets_before FROM (
        SELECT m.id, m.topic, m.key, m.value, m.headers, m.partition, m.timestamp_ms, m.created_at,
               m.octets + {octets} AS octets
        FROM (
            SELECT m.id, m.topic, m.key, m.value, {as_text} AS headers, m.partition, m.timestamp_ms, m.created_at,
                   m.octets
            FROM (
                SELECT m.*, sum(octets + stored_octets) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING)
                    - octets - stored_octets AS octets_before
                FROM (
                    SELECT m.id, m.topic, m.key, m.value, m.headers, m.partition, m.timestamp_ms, m.created_at,
                           coalesce(length(m.key), 0) + coalesce(length(m.value), 0) AS octets,
                           {stored_octets} AS stored_octets
                    FROM {outbox} m
                    WHERE ({is_refused}) IS NOT TRUE AND {not_in_flight} AND {not_waiting} AND (
                        m.key IS NULL OR (m.topic, m.key) NOT IN (SELECT topic, key FROM held) OR m.id IN ({ahead})
                    )
                    ORDER BY m.id LIMIT %s
                ) m
            ) m WHERE octets_before < %s ORDER BY id LIMIT %s
        ) m
    ) m
) p WHERE octets_before < %s ORDER BY id
"""
_AHEAD = """
    SELECT id FROM (
        SELECT e.id, min(CASE WHEN e.refused_at IS NOT NULL THEN e.id END)
            OVER (PARTITION BY e.topic, e.key) AS since
        FROM {outbox} e
        WHERE e.id <= (SELECT max(since) FROM held)
        AND ((e.topic, e.key) IN (SELECT topic, key FROM held)) IS TRUE
    ) of_held_keys WHERE id < since
"""
_HELD = """
    SELECT topic, key, min(id) AS since FROM {outbox} WHERE {is_refused} AND key IS NOT NULL
    GROUP BY topic, key
"""
_FENCED = "EXISTS (SELECT 1 FROM {lease} WHERE name = %s AND epoch = %s)"
_DELETE = "DELETE FROM {outbox} WHERE {these} AND {written_then} AND " + _FENCED
_REFUSE = "UPDATE {outbox} SET refused_at = {now}, refusal = %s WHERE id = %s AND {stamp} = %s AND " + _FENCED

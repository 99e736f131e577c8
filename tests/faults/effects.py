"""What the handlers left in the database, read past Django."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

_COLUMNS = 'id, topic, partition, "offset", key, seq, attempt, worker, began, ended'


@dataclass(frozen=True, slots=True)
class Effect:
    id: int
    topic: str
    partition: int
    offset: int
    key: str | None
    seq: int
    attempt: int
    worker: int
    began: int
    ended: int


class Effects:
    """The effects of one topic, in the order in which they were written."""

    def __init__(self, database_url: str, topic: str) -> None:
        self._url = database_url
        self._topic = topic

    def read(self) -> list[Effect]:
        rows = self._rows(f"SELECT {_COLUMNS} FROM workload_effect WHERE topic = %s ORDER BY id", self._topic)
        return [Effect(*row) for row in rows]

    def count(self) -> int:
        """How many different records have had an effect."""
        query = 'SELECT count(DISTINCT (partition, "offset")) FROM workload_effect WHERE topic = %s'
        return int(self._rows(query, self._topic)[0][0])

    def offsets(self) -> dict[int, set[int]]:
        """The offsets that have had an effect, of each partition."""
        return self._offsets_in("workload_effect")

    def dead_letter_offsets(self) -> dict[int, set[int]]:
        """The offsets of what is or was a dead letter, of each partition."""
        return self._offsets_in("kafka_integration_deadletter")

    def dead_letters(self, *, unsettled: bool = False) -> int:
        """How many there are, or how many wait for somebody."""
        query = "SELECT count(*) FROM kafka_integration_deadletter WHERE topic = %s"
        if unsettled:
            query += " AND settled_at IS NULL"
        return int(self._rows(query, self._topic)[0][0])

    def _offsets_in(self, table: str) -> dict[int, set[int]]:
        found: dict[int, set[int]] = {}
        for partition, offset in self._rows(f'SELECT partition, "offset" FROM {table} WHERE topic = %s', self._topic):
            found.setdefault(partition, set()).add(offset)
        return found

    def _rows(self, query: str, *values: object) -> list[tuple]:
        with psycopg.connect(self._url, connect_timeout=5) as connection:
            return connection.execute(query.encode(), values).fetchall()

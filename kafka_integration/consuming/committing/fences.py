"""The fences of a partition: what a claim waits at until the lanes that are about to commit have done so.

A lane locks its own, alone, from saving to COMMIT. One row shared by all would have PostgreSQL keep a list of those who
share it at each moment, of which a busy group uses up the database's supply, and let new ones in before a claim.
"""

from __future__ import annotations

from typing import Any

MOST = 64
"""Of a partition: lanes beyond these share them, and wait for each other's COMMIT."""


class Fences:
    """Raises fences in the transaction of a claim, once that has raised the partition's own epoch.

    SQLite needs none: it has one writer at a time.
    """

    def __init__(self, vendor: str, lanes: int) -> None:
        self._is_needed = vendor == "postgresql"
        self.count = min(lanes, MOST)
        """How many the worker needs, 0 where it saves nothing beyond an offset."""

    def raise_to(self, cursor: Any, stored_id: int, epoch: int) -> None:
        """Fence whoever saves under an earlier epoch, those aside that committed while this waited."""
        if not self._is_needed:
            return
        cursor.execute("UPDATE kafka_integration_offsetfence SET epoch = %s WHERE stored_id = %s", [epoch, stored_id])
        if cursor.rowcount < self.count:
            cursor.execute(
                "INSERT INTO kafka_integration_offsetfence (stored_id, slot, epoch) "
                "SELECT %s, slot, %s FROM generate_series(0, %s) AS slot ON CONFLICT DO NOTHING",
                [stored_id, epoch, self.count - 1],
            )

    def remove(self, cursor: Any, stored_id: int) -> None:
        """The row that they belonged to is gone: nobody saves by it any more."""
        if self._is_needed:
            cursor.execute("DELETE FROM kafka_integration_offsetfence WHERE stored_id = %s", [stored_id])

"""What waits in an outbox, for how long, and whether anybody relays it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from ..durations import spoken
from .statements import statements_of, walking

logger = logging.getLogger("kafka_integration.relay")

# A relay that runs takes a row within a tenth of a second, or says why it doesn't.
AGED_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """The outbox of one database at this moment."""

    alias: str
    oldest_seconds: float | None
    """The age of the oldest row that was not refused; None if there is none."""
    refused: int
    holder: str
    """The relay that holds the lease; empty if none does."""
    next_id: int | None
    """That of the oldest row that was not refused, or the one after ``last_id``; None where neither is known."""
    last_id: int | None
    """The last one that was given, 0 before the first. Where the database doesn't tell, it is the newest row's."""

    @property
    def is_empty(self) -> bool:
        return self.oldest_seconds is None and not self.refused

    @property
    def is_unattended(self) -> bool:
        """Whether rows age and nobody is there to relay them."""
        return not self.holder and self.oldest_seconds is not None and self.oldest_seconds >= AGED_SECONDS

    def __str__(self) -> str:
        if self.is_empty:
            return "The outbox is empty."
        parts = []
        if self.oldest_seconds is not None:
            parts.append(f"The oldest message waits for {spoken(self.oldest_seconds)}.")
        if self.refused:
            parts.append(f"{self.refused} were refused and hold their keys: see the outbox in the admin.")
        return " ".join(parts)


def find_backlog(alias: str) -> Backlog:
    """What waits in the outbox of a database, by that database's clock."""
    with walking(alias) as cursor:
        cursor.execute(statements_of(alias).BACKLOG, {})
        age, refused, holder, first_id, last_id = cursor.fetchone()
    return Backlog(
        alias=alias,
        oldest_seconds=None if age is None else max(0.0, float(age)),
        refused=refused,
        holder=holder or "",
        next_id=last_id + 1 if first_id is None and last_id is not None else first_id,
        last_id=last_id,
    )


def warn_if_unattended(alias: str) -> bool:
    """Log one clear warning if messages age and no relay runs; True if so."""
    backlog = find_backlog(alias)
    if backlog.is_unattended:
        logger.warning(
            "Messages published in database %s wait for %s and no relay is running: start one with manage.py runrelay",
            alias, spoken(backlog.oldest_seconds or 0),
        )  # fmt: skip
    return backlog.is_unattended

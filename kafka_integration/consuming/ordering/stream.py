"""What is handled in order: a partition, or a shard of one. And what is known of either."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from ...client.metadata.topic_ids import TopicIds
from ..offsets.ledger import Ledger

ENOUGH_AT_ONCE = 1000
"""With more messages at once than so many an outage is forgotten."""


class State(Enum):
    """STARTING → ACTIVE → REVOKED; fenced work goes back to STARTING, under a new claim."""

    STARTING = "starting"
    ACTIVE = "active"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Whose the messages of a partition are, and by what right they are worked off."""

    topic_id: str = ""
    """``""`` while it wasn't asked for, and where brokers have none."""
    epoch: int = 0
    """That of the stored offset; 0 where Kafka keeps the offsets."""
    offset: int | None = None
    """Where the first claim of this assignment said to begin."""


class Setbacks:
    """Outages and conflicts in a row that the first waiting message met; its lane's thread's own."""

    __slots__ = ("_at_once", "_looks", "databases", "in_a_row", "is_outage")

    def __init__(self) -> None:
        self.in_a_row = 0
        self.is_outage = False
        """Whether the last one was about something that is away, and nothing was heard of it since."""
        self.databases: frozenset[str] = frozenset()
        """Those that the last one was about."""
        self._looks = 0
        self._at_once: int | None = None
        """How many messages are tried at once since an outage; None where that was a while ago."""

    def fail_to_park(self) -> int:
        """One more, at a dead letter that can't be written; how many that are in a row."""
        return self._count(is_outage=True)

    def meet_conflict(self) -> int:
        """One more, which is about no database that could be away; how many that are in a row."""
        self.databases, self._looks = frozenset(), 0
        return self._count(is_outage=False)

    def meet_outage(self, databases: frozenset[str]) -> int:
        """One more, which is about these databases; how many that are in a row."""
        self.databases, self._looks, self._at_once = databases, 0, 1
        return self._count(is_outage=True)

    def look(self, *, is_away: bool) -> int:
        """How often in a row a database was found away still; where none is, what met the outage is tried again."""
        self.is_outage = is_away
        self._looks = self._looks + 1 if is_away else 0
        return self._looks

    def forget(self) -> None:
        """Something went well. The next may be twice as many, as too many may have been what was wrong."""
        self.end()
        if self._at_once is not None:
            self._at_once = 2 * self._at_once if self._at_once < ENOUGH_AT_ONCE else None

    def end(self) -> None:
        """What came next was none."""
        self.in_a_row, self.is_outage = 0, False

    def at_most(self, most: int) -> int:
        """How many messages to take in hand of so many: whether an outage is over, one tells as well as a batch."""
        return most if self._at_once is None else min(most, self._at_once)

    def _count(self, *, is_outage: bool) -> int:
        self.in_a_row += 1
        self.is_outage = is_outage
        return self.in_a_row


class Gate(Protocol):
    """Read between messages: whether anything further may be begun, for now or ever."""

    @property
    def is_halted(self) -> bool: ...

    @property
    def is_stopping(self) -> bool: ...


class Stream(Protocol):
    """Messages that are handled one after the other, and what those who handle them ask and note."""

    @property
    def topic(self) -> str: ...

    @property
    def number(self) -> int: ...

    @property
    def key(self) -> tuple[str, int]:
        """The coordinates of the partition."""

    @property
    def state(self) -> State: ...

    @property
    def claim(self) -> Claim: ...

    @property
    def stored(self) -> int | None: ...

    @property
    def ledger(self) -> Ledger: ...

    @property
    def line(self) -> Gate: ...

    @property
    def setbacks(self) -> Setbacks: ...

    def identify_by(self, topic_ids: TopicIds) -> None: ...

    def store(self, next_offset: int) -> None: ...

    def store_beyond(self, offset: int) -> None: ...

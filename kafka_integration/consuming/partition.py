"""One assignment of a partition: its ledger, the messages it holds, and whether it may go on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..client.metadata.topic_ids import TopicIds
from .ledger import Ledger
from .line import Line
from .start import Start


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

    def __init__(self) -> None:
        self.in_a_row = 0
        self.databases: frozenset[str] = frozenset()
        """Those that the last one was about."""
        self._looks = 0

    def count(self) -> int:
        self.in_a_row += 1
        return self.in_a_row

    def meet(self, databases: frozenset[str] = frozenset()) -> int:
        """One more, which is about these databases; how many that are in a row."""
        self.databases, self._looks = databases, 0
        return self.count()

    def look(self, *, is_away: bool) -> int:
        """How often in a row a database was found away still."""
        self._looks = self._looks + 1 if is_away else 0
        return self._looks

    def forget(self) -> None:
        self.in_a_row = 0


class Partition:
    """What this process knows of a partition it was assigned.

    Made by the loop at each assignment and thrown away at its end: results of an earlier assignment reach an object
    that nobody reads any more. Claim, stored offset and setbacks are written in its lane's thread, the line under that
    lane's lock, and all else in the loop's thread; anybody may read.
    """

    def __init__(self, topic: str, number: int) -> None:
        self.topic, self.number = self.key = topic, number
        self.start = Start()
        self.ledger = Ledger()
        self.line = Line()
        self.claim = Claim()
        self.stored: int | None = None
        """What the database holds of it under our claim; None where Kafka keeps the offsets."""
        self.setbacks = Setbacks()
        self.is_paused = False
        self._is_revoked = False
        self._identified: Ledger | None = None
        """With which ledger the topic's id was asked for, where nothing is claimed: with the next it may be another."""

    def __repr__(self) -> str:
        return f"<Partition {self} {self.state.value}>"

    def __str__(self) -> str:
        return f"{self.topic}[{self.number}]"

    @property
    def state(self) -> State:
        if self._is_revoked:
            return State.REVOKED
        return State.ACTIVE if self.start.is_placed and not self.line.is_fenced else State.STARTING

    @property
    def may_begin(self) -> bool:
        """Whether the lane may begin something of it."""
        return self.state is State.ACTIVE and not self.line.is_stopping

    # The loop's

    def restart(self, start: Start) -> None:
        """Nothing more of it is handled before it is known where to begin."""
        self.start = start

    def begin(self) -> None:
        """What is taken from now on comes from where it starts."""
        start = self.start
        self.ledger = self.ledger.resumed() if start.is_resumed else Ledger(start.offset, start.committed)

    def place(self) -> None:
        self.is_paused = False
        self.start.place()

    def revoke(self) -> None:
        self._is_revoked = True

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    # Its lane's

    def grant(self, claim: Claim, stored: int) -> None:
        """It was claimed, and begins where the database has ``stored`` it."""
        # In this order: a look from another lane must not find what another topic held under this one's id.
        self.stored, self.claim = stored, claim

    def store(self, next_offset: int) -> None:
        """The database holds this of it now."""
        self.stored = next_offset

    def identify_by(self, topic_ids: TopicIds) -> None:
        """Find out which topic it is of, unless that is known; ``BrokerError`` where that can't be asked."""
        ledger = self.ledger
        if not self.claim.epoch and self._identified is not ledger:
            topic_id = topic_ids.ask_where_allowed(self.topic, lambda: self.line.is_stopping)
            self.claim, self._identified = Claim(topic_id=topic_id), ledger

"""One assignment of a partition: its ledger, the messages it holds, and whether it may go on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from time import monotonic

from ..client.metadata.topic_ids import TopicIds
from .ledger import Ledger
from .line import Line


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


@dataclass(slots=True)
class Away:
    """The databases that a partition's last setback was about, and how often in a row one was found away still."""

    databases: frozenset[str] = frozenset()
    looks: int = 0


class Partition:
    """What this process knows of a partition it was assigned.

    Made by the loop at each assignment and thrown away at its end: results of an earlier assignment
    reach an object that nobody reads any more.
    """

    def __init__(self, topic: str, number: int) -> None:
        self.topic, self.number = topic, number
        self.claim = Claim()
        self.stored: int | None = None
        """What the database holds of it under our claim; None where Kafka keeps the offsets."""
        self._identified: Ledger | None = None
        """With which ledger the topic's id was asked for, where nothing is claimed: with the next it may be another."""
        self.is_outdated = False
        """The topic of that id is gone and another one has its name, or the database lost what it had committed."""
        self.is_looked_at = False
        """A lane is to ask for the topic's id, for this partition and the others of its topic."""
        self.state, self.starting_since = State.STARTING, monotonic()
        self.ask_at = 0.0
        """Monotonic time before which it isn't asked again where to begin."""
        self.obstacle = ""
        """What keeps it from beginning, as far as is known."""
        self.ledger = Ledger()
        self.line = Line()
        self.start: int | None = None
        """Where to begin, once that is known; the loop seeks there."""
        self.reset_to: int | None = None
        """Where it is to begin whatever the database holds, until that holds this."""
        self.goes_on = False
        """It begins again, where its own ledger ends."""
        self.committed: int | None = None
        """What the group had committed when the partition was assigned."""
        self.is_storing_end = self.is_claiming = False
        self.failed_claims = 0
        self.has_reached_end = False
        self.is_paused = False
        self.setbacks = 0
        """How often in a row the first waiting message met an outage or a conflict."""
        self.away = Away()

    def __repr__(self) -> str:
        return f"<Partition {self} {self.state.value}>"

    def __str__(self) -> str:
        return f"{self.topic}[{self.number}]"

    def grant(self, claim: Claim, stored: int | None) -> None:
        """It was claimed, and begins where the database has ``stored`` it."""
        self.claim, self.stored, self.is_outdated = claim, stored, False

    def store(self, next_offset: int) -> None:
        """The database holds this of it now."""
        self.stored = next_offset

    def identify_by(self, topic_ids: TopicIds) -> None:
        """Find out which topic it is of, unless that is known; ``BrokerError`` where that can't be asked."""
        ledger = self.ledger
        if not self.claim.epoch and self._identified is not ledger:
            topic_id = topic_ids.ask_where_allowed(self.topic, lambda: self.line.is_stopping)
            self.claim, self._identified = Claim(topic_id=topic_id), ledger

    def begin_again(self) -> None:
        """Nothing more of it is handled before it is known where to begin."""
        if self.state is not State.STARTING:
            self.state, self.starting_since, self.obstacle = State.STARTING, monotonic(), ""

    @property
    def may_begin(self) -> bool:
        """Whether the lane may begin something of it."""
        return self.state is State.ACTIVE and not self.line.is_stopping

    @property
    def key(self) -> tuple[str, int]:
        return self.topic, self.number

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
        self.topic_id = ""
        self.is_identified = False
        """Whether ``topic_id`` was asked for since the partition began; some brokers have none."""
        self.is_outdated = False
        """The topic of that id is gone and another one has its name, or the database lost what it had committed."""
        self.is_looked_at = False
        """A lane is to ask for the topic's id, for this partition and the others of its topic."""
        self.epoch = 0
        self.claimed_at: int | None = None
        """Where the first claim of this assignment said to begin."""
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
        self.stored: int | None = None
        """What the database holds of it under our claim (written by the lane); None where Kafka keeps the offsets."""
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

    def identify(self, topic_id: str) -> None:
        self.topic_id, self.is_identified, self.is_outdated = topic_id, True, False

    def identify_by(self, topic_ids: TopicIds) -> None:
        """Find out which topic it is of, unless that is known; ``BrokerError`` where that can't be asked."""
        if not self.is_identified:
            self.identify(topic_ids.ask_where_allowed(self.topic, lambda: self.line.is_stopping))

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

"""One assignment of a partition: its ledger, the messages it holds, and whether it may go on."""

from __future__ import annotations

from collections.abc import Collection

from ..client.metadata.topic_ids import TopicIds
from .offsets.ages import Ages
from .offsets.ledger import Ledger
from .offsets.sparse_ledger import SparseLedger
from .offsets.start import Start
from .ordering.line import Line
from .ordering.shards import Ordering, Shards
from .ordering.stream import Claim, Setbacks, State


class Partition:
    """What this process knows of a partition it was assigned.

    Made by the loop at each assignment and thrown away at its end: results of an earlier assignment reach an object
    that nobody reads any more. Claim, stored offset and setbacks are written in its lane's thread, the line under that
    lane's lock, and all else in the loop's thread; anybody may read.
    """

    def __init__(self, topic: str, number: int, ordering: Ordering = "partition") -> None:
        self.topic, self.number = self.key = topic, number
        self.start = Start()
        self._ledger_type = Ledger if ordering == "partition" else SparseLedger
        self.ledger = self._ledger_type()
        self.line = Line() if ordering == "partition" else Shards(self, ordering)
        self.ages = Ages()
        self.claim = Claim()
        self.stored: int | None = None
        """What the database holds of it under our claim; None where Kafka keeps the offsets."""
        self.saved: set[int] = set()
        """What it holds beyond that, under the same claim; a new set with each."""
        self._saved_epoch: int | None = None
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
        return self.state is State.ACTIVE and not self.line.is_halted

    @property
    def is_in_outage(self) -> bool:
        """Whether what its handler needs is away, or what it needs to begin."""
        if not self.start.is_placed and self.start.obstacle is not None:
            return True
        return self.line.is_in_outage if isinstance(self.line, Shards) else self.setbacks.is_outage

    @property
    def ahead(self) -> int:
        """How many of its messages are taken beyond the lowest unfinished one, this one counted."""
        return self.ledger.ahead if isinstance(self.ledger, SparseLedger) else self.line.held

    # The loop's

    def restart(self, start: Start) -> None:
        """Nothing more of it is handled before it is known where to begin."""
        self.start = start

    def begin(self, beyond_epoch: int | None = None) -> None:
        """What is taken from now on comes from where it starts; the epoch is that of what it finished beyond."""
        start = self.start
        if start.is_resumed:
            self.ledger = self.ledger.resumed(beyond_epoch)
        else:
            beyond = {*start.finished_beyond, *self.saved}
            known_epoch = start.beyond_epoch if self.stored is None else self._saved_epoch
            self.ledger = self._ledger_type(start.offset, start.committed, beyond, known_epoch)

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

    def grant(
        self, claim: Claim, stored: int, finished_beyond: Collection[int] = (), beyond_epoch: int | None = None
    ) -> None:
        """It was claimed, and begins where the database has ``stored`` it, without what is ``finished_beyond``.

        ``beyond_epoch`` says which leader wrote the last of that.
        """
        self._saved_epoch = beyond_epoch
        # In this order: a look from another lane must not find what another topic held under this one's id.
        self.stored, self.saved, self.claim = stored, set(finished_beyond), claim

    def store(self, next_offset: int) -> None:
        """The database holds this of it now."""
        self.stored = next_offset

    def store_beyond(self, offset: int) -> None:
        """The database holds that this one is finished, whatever those before it are; any lane may say so."""
        self.saved.add(offset)

    def identify_by(self, topic_ids: TopicIds) -> None:
        """Find out which topic it is of, unless that is known; ``BrokerError`` where that can't be asked."""
        ledger = self.ledger
        if not self.claim.epoch and self._identified is not ledger:
            topic_id = topic_ids.ask_where_allowed(self.topic, lambda: self.line.is_stopping)
            self.claim, self._identified = Claim(topic_id=topic_id), ledger

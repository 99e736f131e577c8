"""What a message's transaction saves beside its effects: nothing, the partition's offset, or that it is finished."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from django.db import connections

from ...message import Message
from ..lanes.work import Remainder
from ..ordering.stream import Stream
from .finished import FinishedOffsets
from .store import OffsetStore


class Saving(Protocol):
    """Any lane may call it."""

    def save(self, stream: Stream, first: Message, last: Message) -> None:
        """The transaction's last statement, which fails if the handler swallowed a database error.

        ``FencedError`` where the messages aren't ours to handle: everything rolls back.
        """

    def note(self, stream: Stream, last: Message) -> None:
        """It was committed: what is finished and not noted would be taken for an end without messages."""

    def doubt(self, remainder: Remainder) -> Remainder:
        """What is to be done with messages of which the COMMIT was sent, and its answer was lost."""

    def is_saved(self, stream: Stream, message: Message) -> bool:
        """Whether the database has a message that is in doubt; ``FencedError`` as for ``save``."""


@dataclass(frozen=True)
class NoOffsets:
    """Kafka keeps the offsets: what was committed and not heard of is recognised as a repeat."""

    database: str

    def save(self, stream: Stream, first: Message, last: Message) -> None:
        with connections[self.database].cursor() as cursor:
            cursor.execute("SELECT 1")

    def note(self, stream: Stream, last: Message) -> None:
        """There is nothing to note."""

    def doubt(self, remainder: Remainder) -> Remainder:
        return remainder

    def is_saved(self, stream: Stream, message: Message) -> bool:
        return False


@dataclass(frozen=True)
class InOrder:
    """The messages of a partition are finished one after the other, and its offset says which."""

    store: OffsetStore

    def save(self, stream: Stream, first: Message, last: Message) -> None:
        self.store.save(stream, first=first.offset, next_offset=last.offset + 1)

    def note(self, stream: Stream, last: Message) -> None:
        stream.store(last.offset + 1)

    def doubt(self, remainder: Remainder) -> Remainder:
        # The next claim waits for the row's lock, and reads what came of it.
        return replace(remainder, reclaim=True)

    def is_saved(self, stream: Stream, message: Message) -> bool:
        return False


@dataclass(frozen=True)
class SideBySide:
    """The messages of a partition are finished in any order, each for itself."""

    finished: FinishedOffsets

    def save(self, stream: Stream, first: Message, last: Message) -> None:
        self.finished.save(stream, last.offset, last.raw.leader_epoch())

    def note(self, stream: Stream, last: Message) -> None:
        stream.store_beyond(last.offset)

    def doubt(self, remainder: Remainder) -> Remainder:
        # A claim for each lane's lost answer would stop all the others.
        chunks = [replace(chunk, is_in_doubt=True) for chunk in remainder.chunks]
        return replace(remainder, chunks=chunks)

    def is_saved(self, stream: Stream, message: Message) -> bool:
        return self.finished.is_saved(stream, message.offset, message.raw.leader_epoch())

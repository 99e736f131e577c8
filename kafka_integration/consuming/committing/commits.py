"""Committing what is finished: at an interval, before a partition is let go, and at the end."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic, sleep

from ...client.committed import OFFSETS_IN_KAFKA
from ...client.consumer import ConsumerClient, Coordinates
from ...conf.consumers import ConsumerSettings
from ...errors import BrokerError
from ...observing.log_fields import LogFields
from ..offsets.beyond import Beyond, encode
from ..offsets.ledger import Ledger
from ..partition import Partition
from .stored_ends import Ends

logger = logging.getLogger(__name__)

STALE = "STALE_MEMBER_EPOCH"
"""KIP-848: the group has moved on, and the next heartbeat, which is on its way, tells us how far."""
STALE_SECONDS = 0.2
LAST_TRIES = 6
NOTE_TOO_LARGE = "OFFSET_METADATA_TOO_LARGE"
MOST_CHARACTERS = 4096 - len(OFFSETS_IN_KAFKA) - 2
"""What a broker's offset.metadata.max.bytes leaves for a note, as long as it is the default."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is committed of a partition, and noted with it."""

    ledger: Ledger
    """By which it is: what Kafka says of an earlier one means nothing to one that began elsewhere."""
    offset: int
    note: str


class Commits:
    """Keeps Kafka's committed offsets behind the ledgers; the loop thread's own."""

    def __init__(self, settings: ConsumerSettings, client: ConsumerClient, ends: Ends) -> None:
        self._consumer, self._group = settings.name, settings.consumer_group
        self._client = client
        self._ends = ends
        self._interval_seconds = settings.offset_commit_interval_seconds
        self._next_at = monotonic() + self._interval_seconds
        self._in_flight: dict[Coordinates, deque[Due]] = {}
        """Those whose answers are awaited, in the order in which they come."""
        self._most_characters = MOST_CHARACTERS
        self._without_note: dict[Coordinates, Ledger] = {}
        """Those of which a note was refused: their offsets are committed alone before another one is tried."""
        self._has_said_that_some_are_left_out = False
        self._refusal: BrokerError | None = None
        self._has_given_up = False

    @property
    def is_due(self) -> bool:
        return monotonic() >= self._next_at

    @property
    def is_quiet(self) -> bool:
        """True when no answer to a commit is awaited."""
        return not self._in_flight

    def commit(self, partitions: Iterable[Partition], *, wait: bool = False) -> None:
        """Commit what these partitions have finished since their last commit."""
        self._next_at = monotonic() + self._interval_seconds
        found = {p.key: due for p in partitions if (due := self._due(p, wait)) is not None}
        if found:
            for place, due in found.items():
                self._in_flight.setdefault(place, deque()).append(due)
            offsets = {place: due.offset for place, due in found.items()}
            self._client.commit(offsets, wait=wait, notes={place: due.note for place, due in found.items()})

    def hasten(self) -> None:
        """The next turn commits, whatever is left of the interval."""
        self._next_at = 0.0

    def commit_before_leaving(self, partitions: list[Partition]) -> None:
        """Commit and wait for the answer: there is no next interval, the next owner begins at what this says."""
        if self._has_given_up:
            return
        self._ends.store_before_leaving(partitions)
        for _ in range(LAST_TRIES):
            # Once the offset is safe, there may be room for a part of its note.
            is_without_note = bool(self._without_note)
            refusal = self._commit_and_wait(partitions)
            if refusal is None:
                if not is_without_note:
                    return
            elif refusal.code == STALE:
                sleep(STALE_SECONDS)
            elif not self._without_note:
                return

    def confirm(self, coordinates: Coordinates, partition: Partition | None, offset: int) -> None:
        """The broker holds ``offset`` now."""
        on_their_way = self._in_flight.get(coordinates, deque())
        if not any(due.offset == offset for due in on_their_way):
            return  # that was said already, or what it covers is due again
        while (due := on_their_way.popleft()).offset != offset:
            pass
        if not on_their_way:
            del self._in_flight[coordinates]
        self._without_note.pop(coordinates, None)
        if partition is not None and partition.ledger is due.ledger:
            due.ledger.confirm(offset, due.note)

    def fail(self, coordinates: Iterable[Coordinates], error: BrokerError) -> None:
        """The broker refused: what these offsets cover is due again at the next interval, or without a note at once."""
        refused = {place: due[-1] for place in coordinates if (due := self._in_flight.pop(place, None))}
        self._refusal = error
        if error.code == NOTE_TOO_LARGE and any(due.note for due in refused.values()):
            self._shorten_notes(refused)
            return
        logger.warning(
            "consumer %s: a commit failed; what it covered is committed later or delivered again: %s",
            self._consumer, error,
        )  # fmt: skip

    def give_up(self) -> None:
        """Wait for no further answer: the time for it is over, and who owes it doesn't give one."""
        self._has_given_up = True

    def _shorten_notes(self, refused: dict[Coordinates, Due]) -> None:
        longest = max(len(due.note) for due in refused.values())
        self._most_characters = min(self._most_characters, longest) // 2
        self._without_note |= {place: due.ledger for place, due in refused.items()}
        self.hasten()
        logger.warning(
            "consumer %s: Kafka keeps less with a commit than the %d characters of what is finished beyond an offset: "
            "the offset is committed without, and then with half as many; what that has no room for would be handled "
            "again after a restart (raise offset.metadata.max.bytes of the brokers)",
            self._consumer, longest,
        )  # fmt: skip

    def _commit_and_wait(self, partitions: list[Partition]) -> BrokerError | None:
        self._refusal = None
        self.commit(partitions, wait=True)
        return self._refusal

    def _due(self, partition: Partition, wait: bool) -> Due | None:
        ledger = partition.ledger
        offset = ledger.next_offset
        if offset is not None and partition.stored is not None:
            # Where the database counts, Kafka follows: beyond it, the offset would look like somebody else's.
            offset = min(offset, partition.stored)
        if offset is None:
            return None
        noted: str | None = ledger.noted
        done = -1 if ledger.committed is None else ledger.committed
        in_flight = self._in_flight[partition.key][-1] if partition.key in self._in_flight else None
        # Who waits would not hear of a refusal.
        if not wait and in_flight is not None and in_flight.ledger is ledger and in_flight.offset >= done:
            # What has changed beyond it since waits for the answer.
            done, noted = in_flight.offset, None
        if offset < done:
            return None
        if offset > done and self._without_note.get(partition.key) is ledger:
            return Due(ledger, offset, "")
        note = self._note(partition, offset)
        return Due(ledger, offset, note) if offset > done or noted not in {None, note} else None

    def beyond_epoch(self, partition: Partition) -> int | None:
        """Which leader wrote the last message that is finished beyond the partition's floor."""
        ledger = partition.ledger
        offsets = ledger.finished_beyond()
        if not offsets:
            return None
        epoch = self._client.leader_epochs.of(partition.key, offsets[-1] + 1)
        # What was finished before it began may not have been fetched again yet.
        return ledger.beyond_epoch if epoch is None else epoch

    def _note(self, partition: Partition, floor: int) -> str:
        """What is finished beyond the offset; the database knows that by itself."""
        if partition.stored is not None:
            return ""
        offsets = tuple(offset for offset in partition.ledger.finished_beyond() if offset >= floor)
        beyond = Beyond(offsets=offsets, epoch=self.beyond_epoch(partition))
        note, fitting = encode(beyond, floor, self._most_characters)
        if fitting < len(offsets) and not self._has_said_that_some_are_left_out:
            self._has_said_that_some_are_left_out = True
            logger.warning(
                "consumer %s: %d messages of %s are finished beyond its offset %d, and %d of them don't fit into what "
                "Kafka keeps with a commit: after a restart they would be handled again (offset.metadata.max.bytes)",
                self._consumer, len(offsets), partition, floor, len(offsets) - fitting,
                extra=LogFields(self._consumer, self._group).of(partition.key, floor),
            )  # fmt: skip
        return note

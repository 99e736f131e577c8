"""Claiming a partition in the database, in a lane: the loop never waits for the database."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import monotonic

from django.db import Error as DatabaseLayerError
from django.db import close_old_connections

from ...client.committed import Committed
from ...client.metadata.patience import LEAST_SECONDS
from ...client.metadata.topic_ids import TopicIds
from ...errors import BrokerError
from ...observing.log_fields import LogFields
from ...retrying import Backoff, is_worth_a_line
from ...summaries import escaped, shortened, text_of
from ..failing.outages import is_conflict
from ..offsets.beyond import NOTHING, Beyond, decode
from ..offsets.start import Obstacle
from ..ordering.stream import Claim, State
from ..partition import Partition
from .store import Claimed, OffsetStore

logger = logging.getLogger(__name__)

DELAYS = Backoff(first_seconds=0.2, longest_seconds=5.0)
DELAYS_OF_A_LOCK = Backoff(first_seconds=0.2, longest_seconds=1.0)
"""A short wait for the lock needs many tries, where a former owner's transactions follow each other."""
LOOK_SECONDS = 10.0
"""As often as the client refreshes its metadata."""


class Claiming:
    """Makes this worker the one whose offsets the database accepts."""

    def __init__(self, *, consumer: str, store: OffsetStore, topic_ids: TopicIds) -> None:
        self._consumer = consumer
        self._fields = LogFields(consumer, store.group)
        self.store = store
        self._topic_ids = topic_ids

    def claim(
        self, partition: Partition, offset: int, *, committed: Committed | None, is_reset: bool
    ) -> int | Obstacle | None:
        """Where to begin: the stored offset, or ``offset`` where there is none or it has to be reset.

        None where it is nobody's business any more.
        """
        if partition.state is State.REVOKED:
            return None
        try:
            return self._claim(partition, offset, committed, is_reset)
        except (DatabaseLayerError, BrokerError) as error:
            close_old_connections()
            return self._put_off(partition, error)

    def look(self, partitions: Sequence[Partition]) -> list[Partition]:
        """Those of a topic's partitions that begin again: their topic is another one than was claimed, or the database
        lost what was committed to it."""
        # Messages wait for the answer meanwhile, and nothing else does: not longer, however slow the broker is.
        give_up_at = monotonic() + LEAST_SECONDS
        try:
            topic_id = self._topic_ids.ask(partitions[0].topic, lambda: monotonic() >= give_up_at)
            lost = self._lost(partitions)
        except (DatabaseLayerError, BrokerError):
            close_old_connections()
            return []  # it is looked at again
        return [p for p in partitions if p in lost or _is_another(topic_id, p.claim)]

    def _lost(self, partitions: Sequence[Partition]) -> set[Partition]:
        close_old_connections()
        lost = set()
        for topic, topic_id in {(p.topic, p.claim.topic_id) for p in partitions}:
            # What is stored first, and then the rows: other lanes go on meanwhile.
            own = {p.number: p for p in partitions if (p.topic, p.claim.topic_id) == (topic, topic_id)}
            stored = {number: partition.stored or 0 for number, partition in own.items()}
            lost |= {own[number] for number in self.store.lost_by(topic, topic_id, stored)}
        return lost

    def _put_off(self, partition: Partition, error: Exception) -> Obstacle:
        failures, reason = partition.start.failed_claims + 1, _reason(error)
        if is_worth_a_line(failures):
            logger.warning(
                "consumer %s: %s can't be claimed in the database yet (%s); trying again",
                self._consumer, partition, reason, extra=self._fields.of(partition.key),
            )  # fmt: skip
        delays = DELAYS_OF_A_LOCK if is_conflict(error) else DELAYS
        return Obstacle(
            reason if isinstance(error, BrokerError) else f"the database doesn't answer its claim ({reason})",
            ask_at=monotonic() + delays.seconds(failures),
        )

    def _claim(self, partition: Partition, offset: int, committed: Committed | None, is_reset: bool) -> int:
        close_old_connections()
        before, known = partition.claim, partition.stored
        topic_id = self._topic_ids.ask(partition.topic)
        if _is_another(topic_id, before):
            # Deleted and made anew: what the reset policy says is for records that are gone, not for new ones.
            logger.error(
                "consumer %s: topic %s was made anew; %s begins at its beginning",
                self._consumer, partition.topic, partition, extra=self._fields.of(partition.key, 0),
            )  # fmt: skip
            offset, is_reset = 0, False
        elif before.offset is not None and not is_reset:
            # Should there be no row any more, then a database that lost it has lost the effects since then, too.
            offset = before.offset
        # In the order of time: what was done with offsets in Kafka came after what the row says, or Kafka would follow.
        at_least, beyond = _in_kafka(committed)
        found = self.store.claim(
            topic=partition.topic,
            topic_id=topic_id,
            partition=partition.number,
            fallback=offset,
            at_least=at_least,
            beyond=beyond,
        )
        is_another = _is_another(found.topic_id, before)
        start = offset if is_reset else found.next_offset
        first = start if before.offset is None or is_another or is_reset else before.offset
        claim = Claim(topic_id=found.topic_id, epoch=found.epoch, offset=first)
        if is_reset:
            self.store.reset(partition, claim, offset, forgets_beyond=partition.start.forgets_beyond)
        known_beyond = self.store.finished_beyond(partition, claim)
        partition.grant(claim, start, known_beyond.offsets, known_beyond.epoch)
        if is_reset:
            return start
        if known is not None and found.next_offset < known and not is_another:
            self._tell_of_loss(partition, found, known)
        elif committed is not None and committed.offset is not None:
            self._compare(partition, found, committed.offset, is_kept_by_kafka=committed.counts)
        return start

    def _tell_of_loss(self, partition: Partition, found: Claimed, known: int) -> None:
        logger.error(
            "consumer %s: the database lost transactions that it had committed: it holds offset %d of %s, where "
            "%d had been stored; the messages in between are handled again",
            self._consumer, found.next_offset, partition, known,
            extra=self._fields.of(partition.key, found.next_offset),
        )  # fmt: skip

    def _compare(self, partition: Partition, found: Claimed, committed: int, *, is_kept_by_kafka: bool) -> None:
        """Say what an operator would not expect of the two offsets."""
        if is_kept_by_kafka and found.former is not None and found.former < committed == found.next_offset:
            logger.warning(
                "consumer %s: %s had its offsets in Kafka up to %d, beyond the %d that the database holds: "
                "it begins at %d",
                self._consumer, partition, committed, found.former, committed,
                extra=self._fields.of(partition.key, committed),
            )  # fmt: skip
        elif committed > found.next_offset or (is_kept_by_kafka and committed < found.next_offset):
            logger.warning(
                "consumer %s: Kafka holds offset %d for %s, the database %d: the database counts, "
                "so a reset made in Kafka has no effect here",
                self._consumer, committed, partition, found.next_offset,
                extra=self._fields.of(partition.key, found.next_offset),
            )  # fmt: skip


def _in_kafka(committed: Committed | None) -> tuple[int, Beyond]:
    """Up to where a consumer with its offsets in Kafka finished everything, and what beyond that."""
    if committed is None or committed.offset is None or not committed.counts:
        return 0, NOTHING
    return committed.offset, decode(committed.note, committed.offset)


def _reason(error: Exception) -> str:
    """In the words of whoever refused: the statement is ours, so that they quote no message."""
    text = text_of(error).strip().partition("\n")[0]
    return shortened(escaped(text if isinstance(error, BrokerError) else f"{type(error).__name__}: {text}"))


def _is_another(topic_id: str, claim: Claim) -> bool:
    """True if both ids are known and differ: a broker that has none says nothing."""
    return bool(topic_id and claim.topic_id) and topic_id != claim.topic_id

"""Sends rows of one outbox to Kafka: many are under way, and a row goes only after its acknowledgement.

After any failure the producer is closed and a new one begins again from the lowest row: whatever was behind the
failed message must not overtake it. If a batch was refused whole, the rows up to its last are then sent one at a
time (“carefully”), so that only the culprit is marked as refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from ..client.errors.translate import CLIENT_RAISED
from ..client.producers.ordered import REFUSALS, TOPIC_PROBLEMS, Failure, OrderedProducer
from ..client.producers.traced import ordered_producer
from ..conf.producers import ProducerSettings
from ..errors import BrokerError, InvalidMessageError, KafkaIntegrationError
from ..observing.facts import Refused, Relayed
from ..observing.observers import Observers
from ..retrying import Backoff
from .foreign_rows import check_row, headers_of
from .table import Outbox, OutboxRow
from .topics import Destinations

logger = logging.getLogger("kafka_integration.relay")

PAGES_IN_FLIGHT = 4
MAX_BYTES_IN_FLIGHT = 32 * 1024 * 1024
MAX_PAGE_BYTES = 8 * 1024 * 1024
MEMORY_BOUND_BYTES = MAX_BYTES_IN_FLIGHT + 4 * MAX_PAGE_BYTES
"""Beyond an idle relay: a page may be one too many; it is read, decoded and handed on, and the client has a copy."""
GRACE_AFTER_FAILURE_SECONDS = 2.0
CAREFUL_WAIT_SECONDS = 1.0
# Part of the time that may be spent on looking past a crowded topic in vain.
VAIN_SHARE = 0.1
PAUSES = Backoff(first_seconds=0.5, longest_seconds=30.0)


class Forwarder:
    """What the active relay of a database does under one epoch.

    ``may_send`` says if it still is the active one, as far as it knows; ``check_lease`` asks the database.
    """

    def __init__(
        self,
        outbox: Outbox,
        settings: ProducerSettings,
        *,
        epoch: int,
        page_size: int,
        may_send: Callable[[], bool],
        check_lease: Callable[[], bool],
        observers: Observers,
        clock: Callable[[], float],
    ) -> None:
        self._outbox = outbox
        self._settings = settings
        self.epoch = epoch
        self._page_size = page_size
        self._may_send = may_send
        self._check_lease = check_lease
        self._observers = observers
        self._clock = clock
        self._destinations = Destinations(settings.partition_strategy, clock)
        self._producer: OrderedProducer | None = None
        # Of what is under way, or acknowledged and not removed yet.
        self._stamps: dict[int, int] = {}
        self._careful_until: int | None = None
        self._paused_until = float("-inf")
        self._pauses = 0
        self._has_looked = False
        self._oldest_found: int | None = None
        self._look_past_at = float("-inf")

    @property
    def in_flight(self) -> int:
        return len(self._producer.unfinished_ids) if self._producer else 0

    def is_past(self, row_id: int) -> bool:
        """Whether the last step saw that no row up to this one can be sent any more: gone, refused or waiting."""
        oldest = [*(self._producer.unfinished_ids if self._producer else ()), self._oldest_found]
        return self._has_looked and all(found is None or found > row_id for found in oldest)

    def step(self) -> bool:
        """Remove what arrived, send what may go; True if there was anything to do. Never waits for long."""
        self._has_looked = False
        producer = self._open()
        if producer is None:
            return False
        producer.poll(0)
        moved = self._remove_acknowledged(producer)
        if producer.failures or producer.broken or producer.is_stranded:
            self._start_again(producer)
            return True
        return self._send_more(producer) or moved

    def wait(self, timeout: float) -> bool:
        """Wait for acknowledgements or failures; whether any came."""
        if self._producer is None:
            return False
        before = len(self._producer)
        self._producer.poll(timeout)
        return len(self._producer) < before or self._producer.broken is not None

    def stop(self, grace: float) -> None:
        """Send nothing more; what is under way gets ``grace`` seconds, and what arrived is removed."""
        if self._producer is not None:
            self._producer.drain(grace)
            self._producer.close(0)
            self._remove_acknowledged(self._producer)
            self._producer = None

    def abandon(self) -> None:
        """Another relay is the active one: drop everything at once, it has all the rows."""
        if self._producer is not None:
            self._producer.close(0)
            self._producer = None

    # --- The producer

    def _open(self) -> OrderedProducer | None:
        if self._producer is None and self._clock() >= self._paused_until:
            name = f"relay of {self._outbox.alias}"
            try:
                self._producer = ordered_producer(self._settings, name=name, careful=self._careful_until is not None)
            except KafkaIntegrationError as error:
                self._pause(error)
            self._stamps = {}
        return self._producer

    def _start_again(self, producer: OrderedProducer) -> None:
        self._producer = None
        producer.close(0 if producer.is_stranded else GRACE_AFTER_FAILURE_SECONDS)
        self._remove_acknowledged(producer)
        judged = self._judge(producer.take_failures())
        if producer.broken is not None and not judged:
            self._pause(producer.broken)

    def _pause(self, error: Exception) -> None:
        self._pauses += 1
        seconds = PAUSES.seconds(self._pauses)
        self._paused_until = self._clock() + seconds
        logger.warning("%s The relay tries again in %.1f s.", error, seconds)

    def _remove_acknowledged(self, producer: OrderedProducer) -> bool:
        if not producer.acknowledged:
            return False
        # Forgotten only after the database has agreed: if it is away, they are removed when it is back.
        arrived = {row_id: self._stamps[row_id] for row_id in producer.acknowledged if row_id in self._stamps}
        removed = self._outbox.delete(arrived, self.epoch)
        taken = producer.take_acknowledged()
        for row_id in taken:
            self._stamps.pop(row_id, None)
        if removed < len(taken):
            # Discarded by somebody, or this relay is fenced.
            self._check_lease()
        if removed:
            self._observers.tell(Relayed(removed))
        self._pauses = 0
        return True

    # --- Sending

    def _send_more(self, producer: OrderedProducer) -> bool:
        if not self._may_send() or self._clock() < self._paused_until:
            return False
        if self._careful_until is not None:
            return len(producer) == 0 and self._send_carefully(producer, self._careful_until)
        room = self._page_size * PAGES_IN_FLIGHT - len(producer)
        if room < self._page_size or producer.in_flight_bytes >= MAX_BYTES_IN_FLIGHT:
            return False
        rows = self._look(producer, room)
        self._send_in_order(rows, producer)
        return bool(rows)

    def _send_carefully(self, producer: OrderedProducer, until: int) -> bool:
        rows = self._look(producer, self._page_size)
        if not rows or rows[0].id > until:
            self._careful_until = None
            self._producer = None
            producer.close(0)
            return True
        deadline = self._clock() + CAREFUL_WAIT_SECONDS
        for row in rows:
            if row.id > until or self._clock() > deadline or not self._may_send():
                break
            if not self._send_in_order([row], producer):
                break
            producer.drain(CAREFUL_WAIT_SECONDS)
            if len(producer) or producer.failures or producer.broken:
                break
        if producer.failures and producer.broken is None:
            # It was alone, so nothing could overtake it: the same producer goes on.
            self._judge(producer.take_failures())
        return True

    def _look(self, producer: OrderedProducer, room: int) -> list[OutboxRow]:
        # A topic that takes nothing (no leader, too few replicas) must not take the room of all: from half of it on it
        # gets no more, and a page's room is left. Up to there a look takes what it can: past many held rows it is dear,
        # for one page as for three.
        share = self._page_size * PAGES_IN_FLIGHT // 2
        crowded = {topic for topic, count in producer.in_flight_per_topic.items() if count >= share}
        began = self._clock()
        if crowded and began < self._look_past_at:
            return []
        most = max((count for count in producer.in_flight_per_topic.values() if count < share), default=0)
        rows = self._outbox.read(
            min(room, self._page_size * (PAGES_IN_FLIGHT - 1) - most),
            max_bytes=MAX_PAGE_BYTES,
            without_ids=producer.unfinished_ids,
            without_topics=self._destinations.waiting(producer) | crowded,
        )
        if crowded and not rows:
            # It walked past all rows of the topic, which mostly is just busy: soon it has room, and the next look.
            now = self._clock()
            self._look_past_at = now + (now - began) / VAIN_SHARE
        self._has_looked = True
        self._oldest_found = rows[0].id if rows else None
        return rows

    def _send_in_order(self, rows: Iterable[OutboxRow], producer: OrderedProducer) -> bool:
        """Send what may go; True if all did. A topic or key that can't stays behind whole, to be read again."""
        left_behind: set[str | tuple[str, bytes | None]] = set()
        for row in rows:
            if left_behind and (row.topic in left_behind or (row.topic, row.key) in left_behind):
                continue
            try:
                self._send(row, producer)
            except BufferError:
                return False
            except (BrokerError, InvalidMessageError) as error:
                if isinstance(error, InvalidMessageError) or error.code in REFUSALS:
                    self._refuse(row.id, row.stamp, error)
                    if row.key is not None:
                        left_behind.add((row.topic, row.key))
                elif error.code in TOPIC_PROBLEMS:
                    self._destinations.postpone(row.topic, error)
                    left_behind.add(row.topic)
                else:
                    self._interrupt(producer, error)
                    return False
        return not left_behind

    def _send(self, row: OutboxRow, producer: OrderedProducer) -> None:
        partition = self._destinations.partition_for(row, producer)
        headers = headers_of(row)
        # Before: what wraps the client may have sent it, and raise then.
        self._stamps[row.id] = row.stamp
        try:
            producer.send(row.id, row.topic, row.value, row.key, headers, partition, row.timestamp_ms or 0)
        except BrokerError as error:
            if error.code == CLIENT_RAISED:
                # Others may write to the table: what can't ever be sent must not stop every key.
                check_row(row, headers)
            raise

    def _interrupt(self, producer: OrderedProducer, error: BrokerError) -> None:
        if error.code == CLIENT_RAISED:
            # What is under way is in order, and this and all behind it is not: it is read again.
            self._pause(error)
        elif error.retriable:
            # No broker to ask about a topic: the client's log says so, once.
            self._paused_until = self._clock() + PAUSES.first_seconds
        else:
            producer.fail(error)

    # --- Failures

    def _judge(self, failures: list[Failure]) -> bool:
        """Find out what each failure means for its row; True if that explains why the producer ended."""
        for batch in _by_partition(failure for failure in failures if failure.error.code in REFUSALS):
            if len(batch) == 1:
                failure = batch[0]
                self._refuse(failure.row_id, self._stamps[failure.row_id], failure.error)
            else:
                self._be_careful(batch)
        topics = {failure.topic: failure.error for failure in failures if failure.error.code in TOPIC_PROBLEMS}
        for topic, error in topics.items():
            self._destinations.postpone(topic, error)
        others = [failure for failure in failures if failure.error.code not in REFUSALS | TOPIC_PROBLEMS]
        if others:
            self._pause(others[0].error)
        return bool(failures)

    def _be_careful(self, batch: list[Failure]) -> None:
        self._careful_until = max(self._careful_until or 0, *(failure.row_id for failure in batch))
        logger.warning(
            "%s This met a batch of %d messages: they are sent one by one, to find which.", batch[0].error, len(batch)
        )

    def _refuse(self, row_id: int, stamp: int, error: KafkaIntegrationError) -> None:
        if self._outbox.refuse(row_id, stamp, str(error), self.epoch):
            self._observers.tell(Refused(row_id, error))


def _by_partition(failures: Iterable[Failure]) -> Iterable[list[Failure]]:
    batches: dict[tuple[str, int | None], list[Failure]] = {}
    for failure in failures:
        batches.setdefault((failure.topic, failure.partition), []).append(failure)
    return batches.values()

"""Whatever workers and database do, in any order: each message has one effect, and no offset passes an unfinished one.

Hypothesis plays three workers, of which some keep the order of the partition, with a sense for bad moments: it claims
partitions from those that don't know yet, loses answers to COMMITs, moves offsets late or never, and takes the database
back to where it was a while ago, as a replica does that was behind.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Model
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from kafka_integration.consuming.committing.finished import FinishedOffsets, Floor
from kafka_integration.consuming.committing.store import OffsetStore
from kafka_integration.consuming.offsets.start import Start
from kafka_integration.consuming.partition import Claim, Partition
from kafka_integration.errors import FencedError
from kafka_integration.models import FinishedOffset, OffsetFence, OutboxMessage, StoredOffset
from tests.unit.consumers import TOPIC

# Compaction left gaps.
LOG = (0, 1, 2, 3, 7, 8, 9, 12, 13, 14, 15, 20)
END = 21
TABLES: tuple[type[Model], ...] = (OutboxMessage, StoredOffset, FinishedOffset, OffsetFence)
WORKERS = st.sampled_from([0, 1, 2])
INDEXES = st.lists(st.integers(0, 4), min_size=1, max_size=4)
AT_WORK = st.sampled_from([None, None, None, None, 0, 1, 2])
"""None is whoever claimed last: the others are fenced, which they have to find out."""


class Raw:
    """As much of a message as a ledger looks at."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def offset(self) -> int:
        return self._offset


class Done:
    """As much of one as it is told of."""

    def __init__(self, offset: int) -> None:
        self.offset = offset


class Worker:
    """What one process knows; it may be wrong since long."""

    def __init__(self, ordering: Any) -> None:
        self.is_ordered = ordering == "partition"
        self.partition = Partition(TOPIC, 0, ordering)
        self.store = OffsetStore(database="default", group="group", lanes=0 if self.is_ordered else 4)
        self.finished = FinishedOffsets(self.store)
        self.in_hand: list[int] = []
        self.in_doubt: set[int] = set()
        self.is_working = False

    def claim(self) -> None:
        found = self.store.claim(topic=TOPIC, topic_id="", partition=0, fallback=0)
        claim, partition = Claim(epoch=found.epoch), self.partition
        partition.grant(claim, found.next_offset, self.store.finished_beyond(partition, claim).offsets)
        partition.restart(Start(offset=found.next_offset))
        partition.begin()
        partition.place()
        self.in_hand, self.in_doubt, self.is_working = [], set(), True

    def take(self, count: int) -> None:
        ledger = self.partition.ledger
        raws: list[Any] = [Raw(offset) for offset in LOG if offset >= (ledger.taken or 0)][:count]
        if raws:
            left = ledger.unfinished(raws)
            ledger.take(raws[-1].offset() + 1, left)
            self.in_hand += [raw.offset() for raw in left]

    def finish(self, index: int, *, answer_is_lost: bool) -> None:
        offset = self.in_hand[0 if self.is_ordered else index % len(self.in_hand)]
        try:
            if offset in self.in_doubt:
                if self.finished.is_saved(self.partition, offset):
                    self._note(offset)
                self.in_doubt.discard(offset)
                return
            with transaction.atomic():
                OutboxMessage.objects.create(topic=str(offset))
                self._save(offset)
        except FencedError:
            self.is_working = False
            return
        if not answer_is_lost:
            self._note(offset)
        elif self.is_ordered:
            self.is_working = False
        else:
            self.in_doubt.add(offset)

    def move(self) -> None:
        p = self.partition
        end, stored = p.ledger.next_offset, p.stored
        if self.is_ordered or end is None or stored is None or end <= stored:
            return
        floor = Floor(partition=p, ledger=p.ledger, claim=p.claim, stored=stored, offset=end, saved=p.saved)
        if self.finished.move([floor]):
            self.is_working = False

    def _save(self, offset: int) -> None:
        if self.is_ordered:
            self.store.save(self.partition, first=offset, next_offset=offset + 1)
        else:
            self.finished.save(self.partition, offset)

    def _note(self, offset: int) -> None:
        if self.is_ordered:
            self.partition.store(offset + 1)
        else:
            self.partition.store_beyond(offset)
        message: Any = Done(offset)
        self.partition.ledger.finish(message)
        self.in_hand.remove(offset)


class Machine(RuleBasedStateMachine):
    @initialize(orderings=st.tuples(*[st.sampled_from(["key", "key", "partition"])] * 3))
    def begin(self, orderings: tuple[str, ...]) -> None:
        forget_all()
        self.workers = [Worker(ordering) for ordering in orderings]
        self.owner = 0
        self.workers[0].claim()
        self.backup: list[Any] | None = None

    @rule(worker=WORKERS)
    def claim(self, worker: int) -> None:
        self.owner = worker
        self.workers[worker].claim()

    @rule(worker=AT_WORK, count=st.integers(1, 5))
    def take(self, worker: int | None, count: int) -> None:
        if (at_work := self._at_work(worker)).is_working:
            at_work.take(count)

    @rule(worker=AT_WORK, indexes=INDEXES, lost=st.integers(0, 12))
    def finish(self, worker: int | None, indexes: list[int], lost: int) -> None:
        at_work = self._at_work(worker)
        for turn, index in enumerate(indexes):
            if at_work.is_working and at_work.in_hand:
                at_work.finish(index, answer_is_lost=turn == lost)

    @rule(worker=AT_WORK)
    def move(self, worker: int | None) -> None:
        if (at_work := self._at_work(worker)).is_working:
            at_work.move()

    @rule()
    def fall_behind(self) -> None:
        self.backup = [row for table in TABLES for row in table._default_manager.all()]

    @rule()
    def lose_what_came_since(self) -> None:
        if self.backup is not None:
            forget_all()
            for row in self.backup:
                row.save(force_insert=True)

    @rule(worker=AT_WORK, indexes=INDEXES)
    def lose_what_was_just_finished(self, worker: int | None, indexes: list[int]) -> None:
        self.fall_behind()
        self.finish(worker, indexes, -1)
        self.lose_what_came_since()

    @invariant()
    def no_message_has_two_effects(self) -> None:
        assert max(effects().values(), default=1) == 1

    @invariant()
    def what_the_database_says_is_finished_has_an_effect(self) -> None:
        done = effects()
        floors = StoredOffset.objects.values_list("next_offset", flat=True)
        finished = {offset for offset in LOG if any(offset < floor for floor in floors)}
        finished |= set(FinishedOffset.objects.values_list("offset", flat=True))
        assert not finished - set(done)

    def _at_work(self, worker: int | None) -> Worker:
        return self.workers[self.owner if worker is None else worker]

    def teardown(self) -> None:
        last = Worker("key")
        for _ in range(20):
            if not last.is_working:
                last.claim()
            last.take(len(LOG))
            while last.is_working and last.in_hand:
                last.finish(0, answer_is_lost=False)
            last.move()
        assert effects() == dict.fromkeys(LOG, 1)
        assert StoredOffset.objects.get().next_offset == END
        assert not FinishedOffset.objects.exists()


def effects() -> Counter[int]:
    return Counter(map(int, OutboxMessage.objects.values_list("topic", flat=True)))


def forget_all() -> None:
    for table in TABLES:
        table._default_manager.all().delete()


@pytest.mark.django_db
@pytest.mark.timeout(600)
def test_each_message_has_one_effect_whatever_happens():
    # A server takes five times as long for each, and SQLite has tried the most.
    examples = 30 if connection.vendor == "sqlite" else 6
    options: Any = {"max_examples": examples, "stateful_step_count": 40, "deadline": None}
    run_state_machine_as_test(
        Machine, settings=settings(**options, suppress_health_check=list(HealthCheck), print_blob=True)
    )

"""What many lanes finish of one partition, in the database: each once, under the claim that is good."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.postgresql.psycopg_any import is_psycopg3

from kafka_integration.consuming.committing import finished
from kafka_integration.consuming.committing.finished import FinishedOffsets, Floor
from kafka_integration.consuming.committing.store import OffsetStore
from kafka_integration.consuming.failing.outages import is_conflict, is_outage, was_idle_too_long
from kafka_integration.consuming.offsets.beyond import Beyond
from kafka_integration.consuming.ordering.stream import Claim
from kafka_integration.consuming.partition import Partition
from kafka_integration.errors import FencedError
from kafka_integration.models import FinishedOffset, OffsetFence, OutboxMessage, StoredOffset
from tests.unit.consumers import TOPIC
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


class Member:
    """A worker of many lanes with the partition that it claimed."""

    def __init__(self, lanes=4, topic_id=""):
        self.store = OffsetStore(database="default", group="group", lanes=lanes)
        self.finished = FinishedOffsets(self.store)
        self.partition = Partition(TOPIC, 0)
        self.claim(topic_id)

    def claim(self, topic_id="", at_least=0):
        found = self.store.claim(topic=TOPIC, topic_id=topic_id, partition=0, fallback=0, at_least=at_least)
        self.partition.grant(Claim(topic_id=found.topic_id, epoch=found.epoch), found.next_offset)
        beyond = self.store.finished_beyond(self.partition, self.partition.claim)
        self.partition.grant(self.partition.claim, found.next_offset, beyond.offsets, beyond.epoch)
        return found.next_offset, sorted(self.partition.saved)

    def handle(self, offset):
        with transaction.atomic():
            OutboxMessage.objects.create(topic=str(offset))
            self.finished.save(self.partition, offset)
        self.partition.store_beyond(offset)

    def move(self, offset):
        p = self.partition
        return self.finished.move(
            [Floor(partition=p, ledger=p.ledger, claim=p.claim, stored=p.stored, offset=offset, saved=p.saved)]
        )


def effects():
    """In a table that hides no repeat."""
    return list(OutboxMessage.objects.order_by("id").values_list("topic", flat=True))


def stored():
    return StoredOffset.objects.get().next_offset, sorted(FinishedOffset.objects.values_list("offset", flat=True))


def test_a_claim_finds_what_was_finished_beyond_the_offset():
    former = Member()
    for offset in (3, 1, 7):
        former.handle(offset)

    assert Member().claim() == (0, [1, 3, 7])
    assert effects() == ["3", "1", "7"]


def test_a_message_that_is_finished_has_no_second_effect():
    former, present = Member(), Member()
    present.handle(3)

    for member in (former, present):
        with pytest.raises(FencedError):
            member.handle(3)

    assert effects() == ["3"]


@pytest.mark.parametrize(("known", "came"), [(5, 5), (5, 4), (None, 6), (5, None)])
def test_a_message_that_no_later_leader_wrote_has_no_second_effect(known, came):
    member = Member()
    FinishedOffset.objects.create(stored=StoredOffset.objects.get(), offset=3, leader_epoch=known)

    with pytest.raises(FencedError), transaction.atomic():
        member.finished.save(member.partition, 3, came)

    assert member.finished.is_saved(member.partition, 3, came)


def test_one_that_a_later_leader_wrote_there_takes_its_place():
    member = Member()
    FinishedOffset.objects.create(stored=StoredOffset.objects.get(), offset=3, leader_epoch=5)

    assert not member.finished.is_saved(member.partition, 3, 6)
    with transaction.atomic():
        member.finished.save(member.partition, 3, 6)

    assert member.finished.is_saved(member.partition, 3, 6)
    assert FinishedOffset.objects.get().leader_epoch == 6


def test_a_claim_tells_by_which_leader_what_is_finished_was_written_where_that_is_known_of_all():
    member = Member()
    assert member.store.finished_beyond(member.partition, member.partition.claim) == Beyond()
    for offset, epoch in ((1, 4), (3, 6)):
        member.finished.save(member.partition, offset, epoch)
    known = member.store.finished_beyond(member.partition, member.partition.claim)
    member.finished.save(member.partition, 5, None)
    unknown = member.store.finished_beyond(member.partition, member.partition.claim)

    assert known == Beyond(offsets=(1, 3), epoch=6)
    assert unknown == Beyond(offsets=(1, 3, 5), epoch=None)


def test_a_worker_that_lost_its_partition_saves_nothing_more():
    former = Member()
    former.handle(1)
    present = Member()

    with pytest.raises(FencedError):
        former.handle(2)

    present.handle(2)
    assert effects() == ["1", "2"]


def test_a_message_below_the_offset_has_no_second_effect():
    member = Member()
    for offset in range(3):
        member.handle(offset)
    member.move(3)

    with pytest.raises(FencedError):
        member.handle(1)

    assert effects() == ["0", "1", "2"]


def test_the_offset_moves_and_what_is_finished_below_is_forgotten():
    member = Member()
    for offset in (0, 1, 2, 5):
        member.handle(offset)

    assert member.move(3) == []

    assert stored() == (3, [5])
    assert (member.partition.stored, member.partition.saved) == (3, {5})
    assert member.claim() == (3, [5])


def test_gaps_below_the_floor_are_not_missed():
    member = Member()
    for offset in (0, 5, 9):
        member.handle(offset)

    assert member.move(12) == []
    assert stored() == (12, [])


def test_a_worker_that_lost_its_partition_moves_nothing():
    former = Member()
    former.handle(0)
    Member()

    assert former.move(1) == []

    assert stored() == (0, [0])


def test_an_offset_does_not_move_past_messages_that_the_database_lost():
    """A replica that was behind took the primary's place: what was committed is gone with its effects."""
    member = Member()
    for offset in range(3):
        member.handle(offset)
    FinishedOffset.objects.filter(offset=1).delete()

    assert member.move(3) == [member.partition]

    assert stored() == (0, [0, 2])
    assert member.claim() == (0, [0, 2])


def test_nothing_is_saved_where_the_database_lost_the_offset():
    member = Member()
    member.handle(0)
    member.move(1)
    StoredOffset.objects.update(next_offset=0)

    with pytest.raises(FencedError):
        member.handle(5)


def test_floors_of_an_earlier_claim_are_not_moved_to():
    member = Member()
    member.handle(0)
    p = member.partition
    floor = Floor(partition=p, ledger=p.ledger, claim=p.claim, stored=0, offset=1, saved=p.saved)
    member.claim()

    assert member.finished.move([floor]) == []

    assert stored() == (0, [0])


def test_a_commit_of_which_nobody_heard_is_asked_for():
    member = Member()
    member.handle(3)

    assert member.finished.is_saved(member.partition, 3)
    assert not member.finished.is_saved(member.partition, 4)

    assert stored() == (0, [3])


def test_asking_for_a_commit_says_where_the_partition_is_anothers():
    former = Member()
    Member()

    with pytest.raises(FencedError):
        former.finished.is_saved(former.partition, 3)


def test_a_topic_made_anew_has_nothing_finished():
    member = Member(topic_id="old")
    member.handle(3)

    assert member.claim("new") == (0, [])
    member.handle(3)

    assert effects() == ["3", "3"]


def test_what_was_finished_while_brokers_told_no_id_stays_so():
    member = Member()
    for offset in (0, 1, 4, 7):
        member.handle(offset)
    former = Member()
    member.claim()
    member.move(2)

    assert member.claim("id", at_least=5) == (5, [7])

    assert stored() == (5, [7])
    with pytest.raises(FencedError):
        former.handle(9)


def test_a_claim_forgets_what_is_below_the_offset():
    member = Member()
    member.handle(2)

    assert member.claim(at_least=3) == (3, [])

    assert stored() == (3, [])


def test_where_a_log_was_cut_nothing_is_finished_any_more():
    member = Member()
    member.partition.ledger.take(9)
    for offset in (3, 7):
        member.handle(offset)

    member.store.reset(member.partition, member.partition.claim, 5)

    assert stored() == (5, [])


def test_what_is_finished_ahead_of_what_retention_took_stays_so():
    member = Member()
    member.partition.ledger.take(4)
    for offset in (3, 7):
        member.handle(offset)

    member.store.reset(member.partition, member.partition.claim, 6)

    assert stored() == (6, [7])


def test_a_deleted_offset_takes_along_what_is_finished_beyond():
    member = Member()
    member.handle(3)

    StoredOffset.objects.all().delete()

    assert Member().claim() == (0, [])
    assert not FinishedOffset.objects.exists()


# Side by side, which SQLite can't be


@contextmanager
def about_to_commit(member: Member, offset: int):
    """A lane that has saved a message, and has yet to commit it."""
    has_saved, may_commit = threading.Event(), threading.Event()

    def handle() -> None:
        try:
            with transaction.atomic():
                OutboxMessage.objects.create(topic=str(offset))
                member.finished.save(member.partition, offset)
                has_saved.set()
                assert may_commit.wait(20)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as lane:
        handled = lane.submit(handle)
        assert has_saved.wait(20)
        try:
            yield handled
        finally:
            may_commit.set()
        handled.exception(20)


def elsewhere(function: Callable[[], object]) -> Future[object]:
    """What another thread makes of it, with a connection of its own."""

    def call() -> object:
        try:
            return function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call)


@pytest.mark.server_database
def test_lanes_do_not_wait_for_each_other():
    member = Member()
    with about_to_commit(member, 1), about_to_commit(member, 2):
        elsewhere(lambda: member.handle(3)).result(20)

        assert member.move(1) == []

    assert stored() == (1, [1, 2, 3])


@pytest.mark.server_database
def test_lanes_beyond_the_fences_share_them(monkeypatch):
    member = Member(lanes=1)
    for offset in range(3):
        elsewhere(lambda offset=offset: member.handle(offset)).result(20)

    assert OffsetFence.objects.count() == 1
    assert stored() == (0, [0, 1, 2])


@pytest.mark.server_database
def test_a_claim_waits_for_lanes_that_are_about_to_commit():
    member, other = Member(), Member()
    other.claim()
    with about_to_commit(other, 1):
        refused = elsewhere(member.claim).exception(20)

    assert is_conflict(refused)
    assert member.claim() == (0, [1])


@pytest.mark.server_database
def test_a_claim_of_a_worker_with_one_lane_waits_for_them_too():
    member = Member()
    ordered = Member(lanes=0)
    member.claim()
    with about_to_commit(member, 1):
        assert is_conflict(elsewhere(ordered.claim).exception(20))

    assert ordered.claim() == (0, [1])


@pytest.mark.server_database
def test_whoever_comes_after_a_claim_is_fenced_though_it_began_before():
    """The statement looks at the partition's row as it was; the fence it reads when it has it."""
    former = Member()
    locked, may_commit = threading.Event(), threading.Event()

    def claim() -> None:
        with transaction.atomic():
            store = OffsetStore(database="default", group="group", lanes=4)
            store.claim(topic=TOPIC, topic_id="", partition=0, fallback=0)
            locked.set()
            assert may_commit.wait(20)

    with ThreadPoolExecutor(2) as threads:
        claimed = threads.submit(claim_and_close, claim)
        assert locked.wait(20)
        fenced = threads.submit(claim_and_close, lambda: former.handle(1))
        wait_until_one_waits_for_a_lock()
        may_commit.set()

        assert isinstance(fenced.exception(20), FencedError)
        claimed.result(20)

    assert effects() == []


def claim_and_close(function):
    try:
        return function()
    finally:
        connections.close_all()


def wait_until_one_waits_for_a_lock():
    def waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            return cursor.fetchone()[0] > 0

    wait_for(waits, 20, "somebody who waits for a lock")


@pytest.mark.server_database
def test_a_commit_that_is_still_in_doubt_is_waited_for():
    member = Member()
    with about_to_commit(member, 1):
        refused = elsewhere(lambda: member.finished.is_saved(member.partition, 1)).exception(20)

    assert is_conflict(refused)
    assert member.finished.is_saved(member.partition, 1)


@pytest.mark.server_database
def test_the_server_ends_a_worker_that_is_frozen_before_its_commit(monkeypatch):
    monkeypatch.setattr(finished, "FROZEN_SECONDS", 1)
    frozen, other = Member(), Member()
    frozen.claim()
    with about_to_commit(frozen, 1) as handled:
        wait_for(lambda: can_claim(other), 20, "a claim that gets through")

    error = handled.exception(20)
    # psycopg2 doesn't read the reason that the server gave before it left.
    assert was_idle_too_long(error) if is_psycopg3 else is_outage(error)
    assert effects() == []


def can_claim(member: Member) -> bool:
    try:
        return member.claim() == (0, [])
    except OperationalError as refused:
        if not is_conflict(refused):
            raise
        return False


@pytest.mark.server_database
def test_a_limit_that_the_session_has_is_left_as_it_is():
    member = Member()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '5min'")
        member.finished.save(member.partition, 1)

        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone()[0] == "5min"
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone()[0] == "0"

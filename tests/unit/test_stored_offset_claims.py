"""Claims of stored offsets: where a worker goes on, whom it fences, and what a topic's id changes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest
from django.db import connections, transaction
from django.utils import timezone

from kafka_integration.consuming.failing.outages import is_conflict
from kafka_integration.models import StoredOffset
from tests.unit import scripted
from tests.unit.consumers import TOPIC
from tests.unit.effects import Worker, effects, stored, write_effect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]


def test_what_is_stored_already_is_refused_though_the_claim_is_still_good(settings):
    scripted.script.append(write_effect)
    worker = Worker(settings)
    worker.handle("a", "b")

    again = worker.handle("again", first=1)

    assert again.reclaim
    assert effects() == ["0:a", "1:b"]
    assert stored() == 2


def test_a_reset_by_a_worker_that_lost_its_partition_changes_nothing(settings):
    old = Worker(settings)
    old.handle("a", "b")
    Worker(settings)

    old.store.reset(old.partition, old.partition.claim, 0)

    assert stored() == 2


def test_a_claim_returns_what_the_last_owner_saved(settings):
    first = Worker(settings)
    first.handle("a", "b")

    second = Worker(settings)

    assert second.claim() == 2
    assert second.partition.claim.epoch == first.partition.claim.epoch + 2


@pytest.mark.server_database
def test_a_row_that_somebody_has_locked_holds_up_its_lane_for_a_moment_only(settings):
    worker = Worker(settings)
    with ThreadPoolExecutor(1) as another_lane, transaction.atomic():
        StoredOffset.objects.select_for_update().get()
        began_at = monotonic()

        refused = another_lane.submit(claim_and_close, worker).exception(20)
        took_seconds = monotonic() - began_at

    assert is_conflict(refused)
    assert took_seconds < 2
    assert worker.claim() == 0


def claim_and_close(worker):
    try:
        worker.claim()
    finally:
        connections.close_all()


def test_a_topic_made_anew_begins_at_its_beginning(settings):
    worker = Worker(settings)
    worker.claim(topic_id="old")
    worker.handle("a", "b")

    assert worker.store.claim(topic=TOPIC, topic_id="new", partition=0, fallback=2).next_offset == 0


def test_an_id_that_brokers_did_not_give_before_changes_nothing(settings):
    worker = Worker(settings)
    worker.handle("a", "b")

    assert worker.claim(topic_id="id") == 2

    assert StoredOffset.objects.get().topic_id == "id"


def test_a_worker_from_before_the_id_is_fenced(settings):
    old = Worker(settings)
    old.store.claim(topic=TOPIC, topic_id="id", partition=0, fallback=0)
    scripted.script.append(write_effect)

    assert old.handle("a").reclaim
    assert effects() == []


def test_an_id_that_a_broker_does_not_tell_any_more_changes_nothing(settings):
    """In an upgrade one broker after the other: who is asked next may be one that has none yet."""
    worker = Worker(settings)
    worker.claim(topic_id="id")
    worker.handle("a", "b")

    assert worker.claim(topic_id="") == 2

    assert worker.partition.claim.topic_id == StoredOffset.objects.get().topic_id == "id"
    worker.handle("c", first=2)
    assert stored() == 3


def test_a_worker_that_was_told_the_id_is_fenced_by_one_that_was_not(settings):
    scripted.script.append(write_effect)
    old, new = Worker(settings), Worker(settings)
    old.claim(topic_id="id")
    new.claim(topic_id="")

    assert old.handle("a").reclaim
    new.handle("a")

    assert effects() == ["0:a"]


def test_without_an_id_the_newest_topic_of_the_name_is_meant(settings):
    worker = Worker(settings)
    worker.claim(topic_id="old")
    worker.handle("a", "b")
    worker.claim(topic_id="new")
    worker.handle("c")
    # A worker of the old one, which was frozen.
    StoredOffset.objects.filter(topic_id="old").update(updated_at=timezone.now())

    assert worker.claim(topic_id="") == 1
    assert worker.partition.claim.topic_id == "new"


@pytest.mark.parametrize(("unnamed", "named"), [(5, 3), (3, 5)])
@pytest.mark.parametrize("told", ["id", ""])
def test_what_two_workers_stored_under_different_answers_becomes_one(settings, unnamed, named, told):
    worker = Worker(settings)
    StoredOffset.objects.update(next_offset=unnamed)
    other = StoredOffset.objects.create(group="group", topic=TOPIC, topic_id="id", partition=0, next_offset=named)
    scripted.script.append(write_effect)

    claim = worker.store.claim(topic=TOPIC, topic_id=told, partition=0, fallback=0)

    assert (claim.next_offset, claim.topic_id, claim.epoch) == (5, "id", other.epoch + 1)
    assert stored() == 5
    assert worker.handle("a", first=5).reclaim, "who works under no id is fenced"


def test_a_topic_made_anew_owes_nothing_to_what_was_stored_under_no_id(settings):
    worker = Worker(settings)
    StoredOffset.objects.update(next_offset=7)
    StoredOffset.objects.create(group="group", topic=TOPIC, topic_id="old", partition=0, next_offset=5)

    assert [worker.claim(topic_id="new") for _ in range(2)] == [0, 0]

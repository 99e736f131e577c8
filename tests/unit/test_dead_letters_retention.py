"""What is forgotten after a while, without a job of its own, and what never is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models.functions import Now
from django.utils import timezone

from kafka_integration.conf import get_settings
from kafka_integration.consuming.lanes.housekeeping import Housekeeping
from kafka_integration.dead_letters import retention
from kafka_integration.dead_letters.retention import INTERVAL_SECONDS, Retention
from kafka_integration.models import DeadLetter, HandledMessage
from tests.dead_letters import make_letter, make_letters
from tests.steps import empty, steps_of, take_statistics
from tests.unit.consumers import consumer_settings
from tests.unit.effects import Worker

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_transport")]

OLD = timedelta(days=40)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def keeper(settings, clock):
    """What a lane calls each turn, an hour later each time."""
    settings.KAFKA = {
        **consumer_settings(deduplicate=True),
        "dead_letter_retention_days": 30,
        "deduplication_retention_days": 30,
    }
    keeper = Retention(get_settings().consumers["c"], get_settings(), clock=clock)
    clock.now += INTERVAL_SECONDS
    return keeper


def remember(count, age):
    rows = [HandledMessage(group="g", topic_id="t", identity=f"{age}-{number}") for number in range(count)]
    HandledMessage.objects.bulk_create(rows)
    HandledMessage.objects.filter(pk__in=[row.pk for row in rows]).update(handled_at=timezone.now() - age)


def test_handled_messages_are_forgotten_after_their_retention(keeper):
    remember(3, OLD)
    remember(2, timedelta(days=1))

    keeper.keep_if_due()

    assert HandledMessage.objects.count() == 2


@pytest.mark.parametrize("off_by", [timedelta(days=-40), timedelta(days=40)])
def test_how_old_a_handled_message_is_does_not_depend_on_the_clock_of_its_worker(settings, monkeypatch, off_by):
    worker = Worker(settings, offset_storage="kafka", deduplicate=True)
    wrong = timezone.now() + off_by
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: wrong)
        worker.handle("a")

    hour = timedelta(hours=1)
    assert HandledMessage.objects.filter(handled_at__gt=Now() - hour, handled_at__lt=Now() + hour).count() == 1


def test_settled_dead_letters_are_forgotten_parked_ones_never(keeper):
    settled = [make_letter(state=state, settled_at=Now() - OLD) for state in ("handled", "discarded")]
    kept = [
        make_letter(state="parked", failed_at=Now() - OLD),
        make_letter(state="replay", failed_at=Now() - OLD),
        make_letter(state="handled"),
    ]

    keeper.keep_if_due()

    assert set(DeadLetter.objects.all()) == set(kept)
    assert settled


def test_it_is_looked_at_once_an_hour(keeper, clock, django_assert_num_queries):
    keeper.keep_if_due()

    with django_assert_num_queries(0):
        clock.now += INTERVAL_SECONDS - 1
        keeper.keep_if_due()

    remember(1, OLD)
    clock.now += 1
    keeper.keep_if_due()
    assert not HandledMessage.objects.exists()


def test_many_are_deleted_a_page_at_a_time(keeper, clock, monkeypatch):
    monkeypatch.setattr(retention, "PAGE", 10)
    remember(25, OLD)

    counts = []
    for _ in range(3):
        keeper.keep_if_due()
        counts.append(HandledMessage.objects.count())
        clock.now += 1

    assert counts == [15, 5, 0]


@pytest.mark.slow
@pytest.mark.parametrize("seen", [0, 3000], ids=["empty", "full of old ones"])
@pytest.mark.parametrize("emptied", [False, True], ids=["", "and never held more"])
def test_deleting_a_page_of_handled_messages_costs_the_same_however_many_stay(seen, emptied):
    if emptied:
        empty(HandledMessage)
    remember(max(seen, 1000), OLD)
    if not seen:
        HandledMessage.objects.all().delete()
    take_statistics(HandledMessage)
    HandledMessage.objects.all().delete()
    remember(20, OLD)
    remember(100, timedelta(days=1))
    steps = steps_of(lambda: retention.delete_handled("default", 30, 10))
    remember(4000, timedelta(days=2))

    assert steps / 2 < steps_of(lambda: retention.delete_handled("default", 30, 10)) < 2 * steps
    assert HandledMessage.objects.count() == 4100


@pytest.mark.slow
@pytest.mark.parametrize("seen", [0, 3000], ids=["empty", "full of old ones"])
@pytest.mark.parametrize("emptied", [False, True], ids=["", "and never held more"])
def test_deleting_a_page_of_dead_letters_costs_the_same_however_many_stay(seen, emptied):
    if emptied:
        empty(DeadLetter)
    make_letters(max(seen, 1000), state="handled", settled_at=timezone.now() - OLD)
    if not seen:
        DeadLetter.objects.all().delete()
    take_statistics(DeadLetter)
    DeadLetter.objects.all().delete()
    make_letters(20, state="handled", settled_at=timezone.now() - OLD)
    make_letters(100, state="handled", settled_at=timezone.now())
    steps = steps_of(lambda: retention.delete_settled("default", 30, 10))
    make_letters(4000, state="handled", settled_at=timezone.now())

    assert steps / 2 < steps_of(lambda: retention.delete_settled("default", 30, 10)) < 2 * steps
    assert DeadLetter.objects.count() == 4100


def test_without_a_retention_nothing_is_deleted(settings, clock):
    settings.KAFKA = {**consumer_settings(deduplicate=False), "dead_letter_retention_days": None}
    keeper = Retention(get_settings().consumers["c"], get_settings(), clock=clock)
    clock.now += INTERVAL_SECONDS
    make_letter(state="handled", settled_at=Now() - timedelta(days=4000))
    remember(1, timedelta(days=4000))

    keeper.keep_if_due()

    assert DeadLetter.objects.count() == HandledMessage.objects.count() == 1


def test_a_database_that_is_down_is_asked_again_an_hour_later(keeper, clock, monkeypatch, caplog):
    def fail(*_):
        raise OperationalError("4111")

    monkeypatch.setattr(retention, "delete_handled", fail)

    keeper.keep_if_due()
    keeper.keep_if_due()

    assert caplog.text.count("are not deleted now") == 1
    assert "4111" not in caplog.text


def test_a_lane_looks_after_it_between_its_chunks(keeper, transactional_db):
    class Work:
        def handle(self, partition, chunk): ...

    remember(1, OLD)

    Housekeeping(Work(), keeper).idle()

    assert not HandledMessage.objects.exists()

"""The lease: one active relay per database, by the database's clock, and every change under its epoch."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from kafka_integration.models import OutboxMessage, RelayLease
from kafka_integration.outbox.lease import Lease
from kafka_integration.outbox.table import Outbox, OutboxRow

pytestmark = pytest.mark.django_db


class Clock:
    """A monotonic clock that goes only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def lease(holder: str, clock: Clock | None = None, seconds: float = 10) -> Lease:
    return Lease("default", seconds=seconds, holder=holder, clock=clock or Clock())


def run_out() -> None:
    """As if the database's clock had gone on."""
    RelayLease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def test_the_first_one_gets_it_and_the_second_stands_by() -> None:
    first, second = lease("first"), lease("second")

    assert first.hold()
    assert not second.hold()
    assert RelayLease.objects.get().holder == "first"


def test_it_is_kept_as_long_as_it_is_renewed() -> None:
    clock = Clock()
    first, second = lease("first", clock), lease("second", clock)
    first.hold()

    for _ in range(10):
        clock.now += 4
        assert first.hold()
        assert not second.hold()

    assert first.epoch == 1


def test_it_asks_the_database_only_when_that_is_due(django_assert_num_queries) -> None:
    clock = Clock()
    first = lease("first", clock)
    first.hold()

    with django_assert_num_queries(0):
        clock.now += 1
        assert first.hold()
    with django_assert_num_queries(1):
        clock.now += 3
        assert first.hold()


def test_another_takes_over_when_it_has_run_out_under_a_higher_epoch() -> None:
    first, second = lease("first"), lease("second")
    first.hold()

    run_out()

    assert second.hold()
    assert second.epoch == 2


def test_a_frozen_holder_knows_that_it_may_have_lost_it() -> None:
    clock = Clock()
    first = lease("first", clock)
    first.hold()

    clock.now += 11

    assert not first.is_valid


def test_it_is_counted_from_before_the_database_was_asked() -> None:
    clock = Clock()
    first = lease("first", clock)

    def take_three_seconds(execute: Any, *arguments: Any) -> Any:
        clock.now += 3
        return execute(*arguments)

    asked_at = clock.now
    with connection.execute_wrapper(take_three_seconds):
        first.hold()
    was_valid = first.is_valid
    clock.now = asked_at + 10

    assert was_valid
    assert not first.is_valid


def test_a_holder_that_was_replaced_is_told_so() -> None:
    clock = Clock()
    first, second = lease("first", clock), lease("second", clock)
    first.hold()
    run_out()
    second.hold()

    clock.now += 4

    assert not first.hold()
    assert first.epoch is None


def test_a_holder_that_ran_out_unnoticed_keeps_its_epoch() -> None:
    clock = Clock()
    first = lease("first", clock)
    first.hold()
    run_out()

    clock.now += 20

    assert first.hold()
    assert first.epoch == 1


def test_a_released_lease_is_taken_at_once() -> None:
    first, second = lease("first"), lease("second")
    first.hold()

    first.release()

    assert second.hold()


def test_a_release_by_one_that_was_replaced_changes_nothing() -> None:
    first, second = lease("first"), lease("second")
    first.hold()
    run_out()
    second.hold()

    first.release()

    assert RelayLease.objects.get().holder == "second"
    assert RelayLease.objects.get().expires_at > timezone.now()


def test_a_lease_whose_row_was_deleted_is_taken_anew() -> None:
    clock = Clock()
    first = lease("first", clock)
    first.hold()

    RelayLease.objects.all().delete()
    clock.now += 4

    assert first.hold()
    assert RelayLease.objects.get().holder == "first"


def written_row() -> OutboxRow:
    OutboxMessage.objects.create(topic="t")
    (row,) = Outbox("default").read(1, max_bytes=1)
    return row


def test_a_fenced_relay_deletes_nothing() -> None:
    row = written_row()
    first = lease("first")
    first.hold()
    RelayLease.objects.update(epoch=F("epoch") + 1)

    assert first.epoch is not None
    assert Outbox("default").delete({row.id: row.stamp}, first.epoch) == 0
    assert OutboxMessage.objects.count() == 1


def test_a_fenced_relay_refuses_nothing() -> None:
    row = written_row()

    assert not Outbox("default").refuse(row.id, row.stamp, "too large", epoch=1)
    assert OutboxMessage.objects.get().refused_at is None


def test_the_database_says_when_it_ends() -> None:
    lease("first", seconds=30).hold()

    remaining = RelayLease.objects.get().expires_at - timezone.now()

    assert timedelta(seconds=25) < remaining <= timedelta(seconds=30)

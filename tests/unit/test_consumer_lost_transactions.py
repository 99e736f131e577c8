"""A database that lost what it had committed, as one does that was restored or fell over to a replica: what was stored
goes back with the effects, and the messages in between are handled again."""

from __future__ import annotations

import pytest

from kafka_integration.models import StoredOffset
from tests.unit import scripted
from tests.unit.consumers import committed, running, write
from tests.unit.effects import Worker, stored
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]


def values():
    return [message.value for message in scripted.seen]


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr("kafka_integration.consuming.group.assignment.LOOK_SECONDS", 0.1)


def test_a_worker_does_not_go_on_above_what_is_stored(settings):
    worker = Worker(settings)
    worker.handle("a", "b")
    StoredOffset.objects.update(next_offset=1)

    assert worker.handle("c", first=2).reclaim
    assert stored() == 1


def test_a_quiet_partition_goes_back_without_a_message_to_bring_it_out(caplog):
    write("a", "b")
    with running(offset_storage="database"):
        wait_for(lambda: StoredOffset.objects.filter(next_offset=2))

        StoredOffset.objects.update(next_offset=1)

        wait_for(lambda: values() == ["a", "b", "b"])
        wait_for(lambda: StoredOffset.objects.filter(next_offset=2))
    assert "the database lost transactions that it had committed: it holds offset 1 of events[0]" in caplog.text


def test_without_any_row_a_partition_begins_where_it_was_claimed():
    write("a", "b")
    with running(offset_storage="database"):
        wait_for(lambda: committed() == 2)

        StoredOffset.objects.all().delete()

        wait_for(lambda: values() == ["a", "b", "a", "b"])


def test_a_partition_that_lost_nothing_is_left_alone():
    write("a", "b")
    with running(offset_storage="database") as loop:
        wait_for(lambda: StoredOffset.objects.filter(next_offset=2))
        looked_at = loop.session.assignment._look_at

        wait_for(lambda: loop.session.assignment._look_at > looked_at + 0.5)

    assert values() == ["a", "b"]
    assert {row.epoch for row in StoredOffset.objects.all()} == {1}

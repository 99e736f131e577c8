"""What a lane does around its work: as Django does around a request, but not for each message by itself."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group
from django.db import connection, connections

from kafka_integration.consuming.lanes import housekeeping
from kafka_integration.consuming.lanes.housekeeping import Housekeeping
from kafka_integration.consuming.lanes.work import Remainder
from kafka_integration.consuming.ordering.chunk import Chunk
from tests.unit import scripted
from tests.unit.consumers import consume, write


@pytest.fixture
def closings(monkeypatch):
    """A list that gets longer each time that old connections are closed."""
    calls = []
    monkeypatch.setattr(housekeeping, "close_old_connections", lambda: calls.append(None))
    monkeypatch.setattr(housekeeping, "reset_queries", lambda: None)
    return calls


def kept(*remainders):
    """Housekeeping around work that leaves these, one after the other, and then nothing."""
    left = list(remainders)
    work = SimpleNamespace(handle=lambda stream, chunk: left.pop(0) if left else Remainder())
    return Housekeeping(work)


def handle(keeping, times):
    for _ in range(times):
        keeping.handle(None, Chunk(messages=[]))


def test_chunks_that_follow_each_other_and_go_well_are_one_unit_of_work(closings):
    handle(kept(), times=3)

    assert len(closings) == 1


@pytest.mark.parametrize("remainder", [Remainder([Chunk(messages=[])]), Remainder(reclaim=True)])
def test_after_one_that_did_not_go_well_another_begins(closings, remainder):
    handle(kept(Remainder(), remainder), times=4)

    assert len(closings) == 2


def test_who_has_nothing_to_do_keeps_no_connection_longer_than_it_may_be_kept(closings):
    keeping = kept()
    handle(keeping, times=2)

    keeping.idle()
    handle(keeping, times=2)

    assert len(closings) == 3


@pytest.mark.server_database
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("memory_transport")
@pytest.mark.parametrize("ordering", ["partition", "key"])
def test_chunks_that_follow_each_other_share_a_connection_where_none_may_be_kept(ordering, monkeypatch):
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)
    backends = []

    def use(message):
        Group.objects.create(name=message.value)
        backends.append(connection.connection.info.backend_pid)

    scripted.script.append(use)
    write(*"abcd", partition=0)

    consume(ordering=ordering, offset_storage="database", batch_size=1)

    assert len(backends) == 4
    assert len(set(backends)) == 1

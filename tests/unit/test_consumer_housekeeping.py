"""What a lane does around its work: as Django does around a request, but not for each message by itself."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kafka_integration.consuming.lanes import housekeeping
from kafka_integration.consuming.lanes.housekeeping import Housekeeping
from kafka_integration.consuming.lanes.work import Remainder
from kafka_integration.consuming.ordering.chunk import Chunk


@pytest.fixture
def closings(monkeypatch):
    """A list that gets longer each time that old connections are closed."""
    calls = []
    monkeypatch.setattr(housekeeping, "close_old_connections", lambda: calls.append(None))
    monkeypatch.setattr(housekeeping, "reset_queries", lambda: None)
    return calls


def kept(*remainders, unit_seconds=60.0):
    """Housekeeping around work that leaves these, one after the other, and then nothing."""
    left = list(remainders)
    work = SimpleNamespace(handle=lambda stream, chunk: left.pop(0) if left else Remainder())
    return Housekeeping(work, unit_seconds=unit_seconds)


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


def test_where_chunks_are_of_many_messages_each_is_a_unit_of_work(closings):
    handle(kept(unit_seconds=0.0), times=3)

    assert len(closings) == 3

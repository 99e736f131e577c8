"""Slow, not dead: the database at a hundred times its latency.

The consumer begins, handles and commits, only later; nobody is thrown out of the group, no attempt is used, and nothing
becomes a dead letter.
"""

from __future__ import annotations

import pytest

from tests.faults.proxy import Proxy
from tests.faults.weather import Weather


@pytest.mark.parametrize("offset_storage", ["database", pytest.param("kafka", marks=pytest.mark.faults)])
def test_a_database_at_a_hundred_times_its_latency_is_worked_with(scenario, postgres, offset_storage):
    # A round trip on loopback takes a tenth of a millisecond.
    with Proxy(postgres.port, weather=Weather(delay_seconds=0.005, jitter_seconds=0.002)) as proxy:
        scenario.consumer |= {"offset_storage": offset_storage}
        scenario.load.sent(100)
        through = scenario.database_url.replace(f":{postgres.port}/", f":{proxy.port}/")

        worker = scenario.worker(env={"DATABASE_URL": through})

        scenario.wait_handled()
        scenario.wait_committed()
        assert worker.terminate() == 0
    assert worker.output().count(": assigned") == 1, worker.tail()
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    assert scenario.effects.dead_letters() == 0
    assert {effect.attempt for effect in scenario.effects.read()} == {1}

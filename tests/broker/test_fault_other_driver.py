"""PostgreSQL by psycopg2, which Django takes where psycopg isn't installed: it calls the codes of errors otherwise."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.faults

PSYCOPG2 = {"WORKLOAD_DRIVER": "psycopg2"}


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_outages_and_conflicts_use_no_attempt(new_scenario, tmp_path, offset_storage):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"offset_storage": offset_storage, "retry": {"attempts": 1}}
    for sqlstate in ("25006", "57P03", "53300", "40001", "40P01", "55P03"):
        scenario.load.sent(1, sqlstate=sqlstate, once=str(tmp_path / sqlstate))

    worker = scenario.worker(env=PSYCOPG2)

    scenario.wait_handled()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    assert {effect.attempt for effect in scenario.effects.read()} == {1}
    assert scenario.effects.dead_letters() == 0
    assert worker.terminate() == 0


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_a_database_that_restarts_makes_no_dead_letters(
    scenario_on_breakable_postgres, breakable_postgres, offset_storage
):
    scenario = scenario_on_breakable_postgres
    scenario.consumer |= {"offset_storage": offset_storage, "retry": {"attempts": 1}, "batch_size": 50}
    scenario.load.sent(600)
    worker = scenario.worker(env={**PSYCOPG2, "HANDLER_SECONDS": "0.002"})
    for number, mode in enumerate(("fast", "immediate")):
        scenario.wait_handled(60, count=100 + 200 * number)
        breakable_postgres.restart(mode)

    scenario.wait_handled()

    assert worker.running
    assert scenario.effects.dead_letters() == 0
    scenario.assert_nothing_lost()

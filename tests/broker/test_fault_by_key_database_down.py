"""Messages are handled by key, and PostgreSQL restarts, is killed, or takes no writes.

One shard tries for all whether it is back; no other is begun meanwhile, no attempt is used, nothing becomes a dead
letter, and once the database is there each record has its effect, in its key's order.
"""

from __future__ import annotations

import pytest

from tests.faults.watching import elapse

pytestmark = pytest.mark.faults

SLOWLY = {"HANDLER_SECONDS": "0.02"}


@pytest.mark.parametrize("deduplicate", [False, True])
def test_restarts_and_kills_under_load(scenario_on_breakable_postgres, breakable_postgres, deduplicate):
    scenario = scenario_on_breakable_postgres
    scenario.consumer |= {"ordering": "key", "concurrency": 8, "deduplicate": deduplicate}
    scenario.load.sent(4000)
    worker = scenario.worker(env=SLOWLY)
    scenario.wait_handled(60, count=500)
    breakable_postgres.restart("fast")
    scenario.wait_handled(60, count=1500)
    breakable_postgres.kill()
    breakable_postgres.start()

    scenario.wait_handled(60)

    assert worker.running
    assert "waits" in worker.output(), "the load was over before the fault came"
    assert_as_if_nothing_had_been(scenario, worker)
    if deduplicate:
        scenario.assert_nothing_twice()


def test_a_database_that_takes_no_writes_is_tried_by_one_message(scenario_on_breakable_postgres, breakable_postgres):
    scenario = scenario_on_breakable_postgres
    scenario.consumer |= {"ordering": "key", "concurrency": 8}
    scenario.load.sent(3000)
    worker = scenario.worker(env=SLOWLY)
    scenario.wait_handled(count=200)

    breakable_postgres.set_read_only(True)
    try:
        elapse(8)
    finally:
        breakable_postgres.set_read_only(False)

    scenario.wait_handled(60)
    assert "waits" in worker.output(), "the load was over before the fault came"
    # Those that were in handlers' hands each met it, and then one alone.
    assert worker.output().count("waits") < 30
    assert_as_if_nothing_had_been(scenario, worker)


def assert_as_if_nothing_had_been(scenario, worker) -> None:
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    scenario.assert_no_key_in_two_places()
    assert scenario.effects.dead_letters() == 0
    assert {effect.attempt for effect in scenario.effects.read()} == {1}
    assert "is a dead letter" not in worker.output()

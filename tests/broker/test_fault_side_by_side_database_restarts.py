"""PostgreSQL restarts and is killed beneath sixteen lanes, some of which lose the answer to their COMMIT.

Each asks for what it was about, and none holds up the others by a claim: each record has one effect, no attempt is
used, and nothing becomes a dead letter.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("blows", [("fast", "immediate"), ("immediate",) * 5])
def test_each_record_has_one_effect(scenario_on_breakable_postgres, breakable_postgres, blows):
    scenario = scenario_on_breakable_postgres
    scenario.consumer |= {"ordering": "key", "concurrency": 16, "offset_storage": "database"}
    scenario.load.sent(3000)
    worker = scenario.worker(env={"HANDLER_SECONDS": "0.02"})
    for number, blow in enumerate(blows):
        scenario.wait_handled(60, count=300 + 400 * number)
        breakable_postgres.restart(blow)

    scenario.wait_handled(120)

    assert "waits" in worker.output(), "the load was over before the fault came"
    scenario.wait_committed()
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    scenario.assert_no_key_in_two_places()
    assert scenario.effects.dead_letters() == 0
    assert worker.terminate() == 0

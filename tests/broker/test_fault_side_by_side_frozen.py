"""A worker of many lanes is frozen under load for longer than its session lasts, and goes on as if nothing had been.

Meanwhile its partition is another's, who claimed it in the database. What lanes had in their hands rolls back when the
worker thaws; what they had saved and not committed the server has ended, or it was waited for.
"""

from __future__ import annotations

import pytest

from tests.faults.scenario import SESSION
from tests.faults.watching import elapse

pytestmark = pytest.mark.faults

LANES = {"ordering": "key", "concurrency": 16, "offset_storage": "database"}
SLOWLY = {"HANDLER_SECONDS": "0.02"}


def test_what_a_fenced_worker_had_in_its_lanes_rolls_back(new_scenario):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= LANES
    scenario.load.sent(40)
    for number in range(16):
        scenario.load.sent(1, key=f"long-{number}", seconds=2)
    frozen = scenario.worker()
    frozen.wait_for_output("begins", 40)

    frozen.freeze()
    other = scenario.worker()
    scenario.wait_handled(60)
    frozen.thaw()

    frozen.wait_for_output(r"to the group without notice[\s\S]*assigned", 40)
    assert other.terminate() == 0
    scenario.load.sent(40)
    scenario.wait_handled()
    assert frozen.terminate() == 0
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    scenario.assert_no_key_in_two_places()


@pytest.mark.timeout(300)
def test_two_workers_frozen_in_turn_under_load_do_each_record_once(scenario):
    scenario.consumer |= LANES
    workers = [scenario.ready_worker(env=SLOWLY), scenario.ready_worker(env=SLOWLY)]
    with scenario.watch_commits() as commits, scenario.load.flowing(200):
        for worker in workers * 3:
            worker.freeze()
            elapse(SESSION["session.timeout.ms"] / 1000 + 2)
            worker.thaw()
            elapse(2)
    scenario.wait_handled(120)

    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    assert not commits.too_high
    assert scenario.effects.dead_letters() == 0
    assert [worker.terminate() for worker in workers] == [0, 0]

"""A deployment changes `offset_storage`, and is rolled back: each message has one effect all the same.

The row that the first deployment left in the database is behind what was done meanwhile with offsets in Kafka.
"""

from __future__ import annotations

import pytest

from tests.faults.scenario import PROTOCOLS, consumer_of
from tests.waiting import wait_for

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_deployment_that_is_rolled_back_repeats_nothing(new_scenario, protocol):
    scenario = new_scenario(partitions=2)
    scenario.consumer |= consumer_of(protocol)
    outputs = []
    for storage in ("database", "kafka", "database", "kafka"):
        scenario.load.sent(50)
        worker = scenario.worker(offset_storage=storage)
        scenario.wait_handled()
        assert worker.terminate() == 0
        outputs.append(worker.output())

    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    assert "had its offsets in Kafka" in outputs[2]
    assert "WARNING" not in outputs[0] + outputs[1] + outputs[3]


def test_a_rolling_deployment_in_which_both_storages_run_at_once_repeats_nothing(new_scenario):
    scenario = new_scenario(partitions=4)
    scenario.load.sent(40)
    worker = scenario.worker(offset_storage="database")
    scenario.wait_handled()

    for storage in ("kafka", "database"):
        with scenario.load.flowing(40):
            following = scenario.worker(offset_storage=storage)
            following.wait_for_output(r"assigned \S+\[\d", 40)
            assert worker.terminate() == 0
            wait_for(lambda: "assigned" in following.output(), 20)  # noqa: B023 - waited for in the same turn
        worker = following
        scenario.wait_handled()

    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    assert worker.terminate() == 0

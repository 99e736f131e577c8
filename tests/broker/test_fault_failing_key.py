"""The messages of key A fail for a while.

Key B, on another partition, flows meanwhile; A stays in order.
"""

from __future__ import annotations

import pytest

from tests.waiting import wait_for


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
@pytest.mark.parametrize("handler", ["each", "Batch"])
def test_the_other_key_flows_and_the_failing_one_stays_in_order(new_scenario, offset_storage, handler):
    scenario = new_scenario(partitions=2)
    scenario.consumer |= {
        "offset_storage": offset_storage,
        "message_handler": f"tests.workload.handlers.{handler}",
        "retry": {"attempts": 5, "backoff_seconds": 2, "backoff_factor": 1},
    }
    scenario.load.sent(1, key="A", partition=0, fail=2)
    scenario.load.sent(10, key="A", partition=0)
    scenario.load.sent(100, key="B", partition=1)

    scenario.worker()

    wait_for(lambda: len(scenario.effects.offsets().get(1, ())) == 100, 20)
    assert not scenario.effects.offsets().get(0)
    scenario.wait_handled()
    scenario.assert_in_order()
    scenario.assert_nothing_twice()

"""One key's message fails at each attempt, with many lanes and offsets in the database.

The other keys flow past it. In the end it is a dead letter, written with its place in one transaction; its key goes on,
and a replay gives it its effect.
"""

from __future__ import annotations

import pytest

from tests.waiting import wait_for

pytestmark = pytest.mark.faults


def test_the_other_keys_flow_and_the_offset_waits(new_scenario):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {
        "ordering": "key",
        "concurrency": 16,
        "offset_storage": "database",
        "retry": {"attempts": 3, "backoff_seconds": 3, "backoff_factor": 1},
    }
    scenario.load.sent(1, key="poisoned", fail=3)
    scenario.load.sent(3, key="poisoned")
    scenario.load.sent(300)
    with scenario.watch_commits() as commits:
        worker = scenario.worker()
        wait_for(lambda: scenario.effects.count() == 300, 40, worker.tail)
        assert scenario.effects.dead_letters() == 0
        assert scenario.committed.read().get(0, 0) == 0

        scenario.wait_handled(60, count=303)
        scenario.wait_committed()
    assert scenario.effects.dead_letter_offsets() == {0: {0}}
    assert scenario.replay_all().wait(60) == 0
    scenario.wait_handled()

    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_no_key_in_two_places()
    assert not commits.too_high
    assert worker.terminate() == 0

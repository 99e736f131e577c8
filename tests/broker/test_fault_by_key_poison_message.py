"""Messages are handled by key, and one key's message fails at each attempt.

Its key waits and all others flow; the commit stays below it, with what is finished beyond. Once its attempts are used
up it is a dead letter, its key goes on in order, and everything is committed.
"""

from __future__ import annotations

import pytest

from tests.waiting import wait_for

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("concurrency", [1, 16])
def test_the_other_keys_flow_and_the_poisoned_one_goes_on_after_its_dead_letter(new_scenario, concurrency):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {
        "ordering": "key",
        "concurrency": concurrency,
        "retry": {"attempts": 4, "backoff_seconds": 5, "backoff_factor": 1},
    }
    scenario.load.sent(1, key="poisoned", fail=100)
    scenario.load.sent(5, key="poisoned")
    scenario.load.sent(500)
    with scenario.watch_commits() as commits:
        worker = scenario.worker()

        wait_for(lambda: scenario.effects.count() == 500, 30, worker.tail)
        assert not scenario.effects.offsets()[0] & set(range(6))
        wait_for(lambda: len(scenario.committed.finished_beyond().get(0, ())) == 500)
        assert scenario.committed.read() == {0: 0}
        assert scenario.effects.dead_letters() == 0

        scenario.wait_handled(60, count=505)
        wait_for(lambda: scenario.committed.read() == {0: 506}, 20)

    assert scenario.effects.dead_letter_offsets() == {0: {0}}
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    scenario.assert_no_key_in_two_places()
    assert not commits.too_high


def test_a_consumer_that_is_to_stop_there_keeps_what_is_finished_beyond(new_scenario):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"ordering": "key", "concurrency": 4, "on_failure": "stop", "retry": {"attempts": 1}}
    scenario.load.sent(100)
    scenario.load.sent(1, key="poisoned", fail=1)
    scenario.load.sent(100)

    worker = scenario.worker()

    assert worker.wait(60) == 1
    floor = scenario.committed.read()[0]
    assert floor <= 100
    assert scenario.effects.offsets()[0] == {*range(floor), *scenario.committed.finished_beyond()[0]}

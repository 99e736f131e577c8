"""Two workers of many lanes hand partitions to each other, with slow handlers and offsets in the database.

What is in handlers' hands may finish; the offset moves up to it, and the next owner leaves out what is finished beyond.
"""

from __future__ import annotations

import pytest

from tests.faults.scenario import PROTOCOLS, consumer_of

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_record_has_one_effect_whoever_comes_and_goes(scenario, protocol):
    scenario.consumer |= {
        **consumer_of(protocol),
        "ordering": "key",
        "concurrency": 16,
        "offset_storage": "database",
    }
    slowly = {"HANDLER_SECONDS": "0.1"}
    scenario.load.sent(1200)
    staying = scenario.ready_worker(env=slowly)
    with scenario.watch_commits() as commits:
        scenario.wait_handled(count=100)
        leaving = scenario.ready_worker(env=slowly)
        scenario.wait_handled(count=500)
        assert leaving.terminate() == 0
        scenario.wait_handled(120)

    scenario.wait_committed()
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    scenario.assert_no_key_in_two_places()
    assert not commits.too_high
    assert staying.terminate() == 0

"""Handlers are busy for longer than ``rebalance_drain_seconds`` when another member joins.

The group waits for the deadline and no longer: the other has its share while the old handlers still run, and what was
in their hands is delivered again. With "database" the old run rolls back; with "kafka" both may apply, and no record is
lost. A coroutine is cancelled at the deadline: of its message only the second run applies.
"""

from __future__ import annotations

from time import monotonic

import pytest

from tests.faults.scenario import PROTOCOLS, consumer_of
from tests.faults.watching import elapse

pytestmark = pytest.mark.faults

HANDLER_SECONDS = 20


@pytest.mark.parametrize(
    ("offset_storage", "handler"),
    [
        ("database", "each"),
        ("kafka", "each"),
        ("kafka", "each_async"),
    ],
)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_group_goes_on_and_what_the_old_run_did_counts_once(
    new_scenario, tmp_path, protocol, offset_storage, handler
):
    scenario = new_scenario(partitions=2)
    scenario.consumer |= {
        **consumer_of(protocol),
        "offset_storage": offset_storage,
        "message_handler": f"tests.workload.handlers.{handler}",
        "concurrency": 2,
        "rebalance_drain_seconds": 1,
    }
    for number, key in enumerate("AB"):
        scenario.load.sent(1, partition=number, key=key, seconds=HANDLER_SECONDS, once=str(tmp_path / key))
        scenario.load.sent(10, partition=number, key=key)
    first = scenario.worker()
    first.wait_for_output(r"begins[\s\S]*begins", 40)
    began_at = monotonic()

    with scenario.watch_commits() as commits:
        second = scenario.worker()
        second.wait_for_output(f"assigned {scenario.topic}", 40)
        taken_after = monotonic() - began_at
        first.wait_for_output("overran rebalance_drain_seconds", 20)
        # Until the old runs are over: only then it shows whether they count.
        elapse(HANDLER_SECONDS + 3 - (monotonic() - began_at))
        scenario.wait_handled(30)

    assert taken_after < HANDLER_SECONDS
    assert first.terminate() == 0
    assert second.terminate() == 0
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    assert not commits.too_high
    assert scenario.effects.dead_letters() == 0
    if offset_storage == "database" or handler == "each_async":
        scenario.assert_nothing_twice()
        scenario.assert_no_key_in_two_places()
    else:
        assert scenario.repeated() <= {(0, 0), (1, 0)}

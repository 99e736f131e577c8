"""A handler takes three times longer than ``max.poll.interval.ms``.

The loop goes on polling while the lane works: the member is not evicted, and the message is handled once.
"""

from __future__ import annotations

import pytest

from tests.faults.scenario import PROTOCOLS, consumer_of

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_member_keeps_its_partitions(scenario, protocol):
    scenario.consumer |= consumer_of(protocol)
    scenario.consumer["rebalance_drain_seconds"] = 1
    scenario.consumer["config"] |= {"max.poll.interval.ms": 6000}
    worker = scenario.ready_worker()
    scenario.load.sent(1, seconds=18)
    scenario.load.sent(20)

    scenario.wait_handled(40)
    scenario.wait_committed()

    assert "lost" not in worker.output()
    assert "revoked" not in worker.output()
    scenario.assert_nothing_twice()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_retries_longer_than_the_poll_interval_cause_no_rebalance(scenario, protocol):
    scenario.consumer |= consumer_of(protocol)
    scenario.consumer["rebalance_drain_seconds"] = 1
    scenario.consumer["config"] |= {"max.poll.interval.ms": 6000}
    scenario.consumer["retry"] = {"attempts": 3, "backoff_seconds": 9, "backoff_factor": 1}
    worker = scenario.ready_worker()
    scenario.load.sent(1, fail=2)

    scenario.wait_handled(40)

    assert "lost" not in worker.output()
    assert "revoked" not in worker.output()

"""A message is retried for longer than max.poll.interval.ms, and parked in the end.

Its partition waits, in order; the others flow; and because polling goes on, the group notices nothing.
"""

from __future__ import annotations

import pytest

from tests.waiting import wait_for


@pytest.mark.faults
def test_it_holds_up_its_partition_alone_and_costs_no_rebalance(scenario):
    scenario.consumer |= {
        "offset_storage": "database",
        "retry": {"attempts": 4, "backoff_seconds": 4, "backoff_factor": 1},
        "rebalance_drain_seconds": 2,
        "config": {"session.timeout.ms": 3000, "heartbeat.interval.ms": 500, "max.poll.interval.ms": 4000},
    }
    worker = scenario.ready_worker()

    scenario.load.send(1, key="A", partition=0, fail=99)
    scenario.load.send(20, key="A", partition=0)
    scenario.load.sent(20, key="B", partition=1)
    wait_for(lambda: len(effects_of(scenario, "B")) == 20, 10)
    beside = effects_of(scenario, "A")
    scenario.wait_handled(count=40)

    assert beside == []
    assert effects_of(scenario, "A") == list(range(2, 22))
    assert effects_of(scenario, "B") == list(range(1, 21))
    assert scenario.effects.dead_letters() == 1
    assert worker.output().count("assigned") == 1
    assert "to the group without notice" not in worker.output()
    scenario.assert_nothing_twice()


def effects_of(scenario, key):
    return [effect.seq for effect in scenario.effects.read() if effect.key == key]

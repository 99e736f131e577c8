"""A worker is asked to stop (SIGTERM) while a handler is busy for five seconds.

The handler finishes, its message is committed, nothing new begins, the exit status is 0, and the other member of the
group has the partition within three seconds.
"""

from __future__ import annotations

import signal
from time import monotonic

import pytest

from tests.waiting import wait_for

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_the_message_is_finished_and_committed_and_the_peer_takes_over(new_scenario, offset_storage):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"offset_storage": offset_storage}
    workers = [scenario.ready_worker(), scenario.ready_worker()]
    scenario.load.sent(1, seconds=5)
    scenario.load.sent(9)
    wait_for(lambda: any("begins" in worker.output() for worker in workers), 20, "a handler begins")
    owner, other = sorted(workers, key=lambda worker: "begins" not in worker.output())

    owner.signal(signal.SIGTERM)
    assert owner.wait(timeout=15) == 0
    left_at = monotonic()

    assert scenario.committed.read() == {0: 1}
    wait_for(lambda: f"assigned {scenario.topic}" in other.output().splitlines()[-1], 3, other.tail)
    assert monotonic() - left_at < 3
    scenario.wait_handled()
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    assert {effect.worker for effect in scenario.effects.read()[1:]} == {other.pid}

"""A handler asks for more memory than there is, and the kernel kills its worker in the middle of a batch.

That is a kill like any other: what was not finished is delivered again to the next worker. With "kafka" what is
repeated was uncommitted; with "database" each record has its effect once.
"""

from __future__ import annotations

import signal

import pytest

from tests.faults.memory_limit import MemoryLimit

pytestmark = pytest.mark.faults

LIMIT_MIB = 64


@pytest.mark.parametrize("offset_storage", ["database", "kafka"])
def test_what_a_killed_worker_had_is_handled_by_the_next_one(scenario, tmp_path, offset_storage):
    scenario.consumer |= {"message_handler": "tests.workload.handlers.Batch", "batch_size": 50}
    scenario.consumer |= {"offset_storage": offset_storage}
    first = scenario.ready_worker()
    scenario.load.sent(100)
    scenario.wait_handled()
    with scenario.watch_commits() as commits, MemoryLimit(first, LIMIT_MIB):
        for _ in range(4):
            scenario.load.send(50)
            scenario.load.send(1, once=str(tmp_path / "once"), allocate_mib=4 * LIMIT_MIB)
        scenario.load.flush()

        assert first.wait(60) == -signal.SIGKILL
        committed, handled = scenario.committed.read(), scenario.effects.offsets()
        assert scenario.effects.count() < len(scenario.load.acknowledged)
        second = scenario.worker()
        scenario.wait_handled()

    assert second.terminate() == 0
    uncommitted = {(p, offset) for p, offsets in handled.items() for offset in offsets if offset >= committed.get(p, 0)}
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    assert scenario.repeated() <= (uncommitted if offset_storage == "kafka" else set())
    assert commits.samples
    assert not commits.too_high

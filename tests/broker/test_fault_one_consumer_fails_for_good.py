"""Of several consumers in one process one fails for good.

The others finish what they have in hand and commit it; the process exits with 1 and says which failed, and why.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("arguments", [(), ("--processes", "2")], ids=["one process", "two processes"])
def test_the_others_drain_and_the_process_says_who_failed(new_scenario, arguments):
    well, failing = new_scenario(partitions=1), new_scenario(partitions=1)
    consumers = {
        "well": {**well.consumer, "offset_commit_interval_seconds": 60},
        "failing": {**failing.consumer, "on_failure": "stop", "retry": {"attempts": 1}},
    }
    process = well.command("runconsumer", *arguments, consumers=consumers)
    process.wait_for_output(f"consumer well: assigned {well.topic}", 40)
    process.wait_for_output(f"consumer failing: assigned {failing.topic}", 40)
    well.load.sent(1, seconds=3)
    process.wait_for_output("begins")

    failing.load.sent(1, fail=100)

    assert process.wait(timeout=20) == 1
    assert "consumer failing failed: consumer failing stops at" in process.output()
    assert "WorkloadError" in process.output()
    assert well.effects.count() == 1
    assert well.committed.read() == {0: 1}
    assert failing.committed.read().get(0, 0) == 0

"""A handler goes on after ``shutdown_grace_seconds``.

The process leaves at the deadline with exit status 3; the message is not committed, and the next worker gets it again.
"""

from __future__ import annotations

import signal
from time import monotonic

import pytest

pytestmark = pytest.mark.faults

GRACE_SECONDS = 2


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
@pytest.mark.parametrize("handler", ["each", "each_async"])
def test_the_process_leaves_at_the_deadline_and_the_message_comes_again(scenario, tmp_path, offset_storage, handler):
    scenario.consumer |= {"offset_storage": offset_storage, "shutdown_grace_seconds": GRACE_SECONDS}
    scenario.consumer |= {"message_handler": f"tests.workload.handlers.{handler}"}
    worker = scenario.ready_worker()
    scenario.load.sent(1, seconds=60, once=str(tmp_path / "once"))
    worker.wait_for_output("begins")

    worker.signal(signal.SIGTERM)
    asked_at = monotonic()

    assert worker.wait(timeout=10) == 3
    assert GRACE_SECONDS - 1 <= monotonic() - asked_at <= GRACE_SECONDS + 1
    assert "grace period is over" in worker.output()
    assert not any(scenario.committed.read().values())
    scenario.worker()
    scenario.wait_handled()


def test_a_second_signal_ends_it_at_once(scenario):
    worker = scenario.ready_worker()
    scenario.load.sent(1, seconds=60)
    worker.wait_for_output("begins")

    worker.signal(signal.SIGTERM)
    asked_at = monotonic()
    while worker.running and monotonic() - asked_at < 5:
        worker.signal(signal.SIGTERM)

    assert worker.wait(timeout=1) == 3
    assert monotonic() - asked_at < 2

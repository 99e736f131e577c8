"""Messages are handled by key under load, and the worker is asked to stop (SIGTERM).

What is in its handlers' hands is finished, nothing more is begun, and its last commit holds all that is finished: the
next worker repeats nothing.
"""

from __future__ import annotations

import signal

import pytest

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("ordering", ["key", "none"])
def test_a_stop_under_load_repeats_nothing(scenario, ordering):
    scenario.consumer |= {"ordering": ordering, "concurrency": 16, "offset_commit_interval_seconds": 60}
    slowly = {"HANDLER_SECONDS": "0.05"}
    scenario.load.sent(3000)
    worker = scenario.worker(env=slowly)
    scenario.wait_handled(count=500)

    worker.signal(signal.SIGTERM)
    status = worker.wait(20)
    handled, floors, beyond = (
        scenario.effects.offsets(),
        scenario.committed.read(),
        scenario.committed.finished_beyond(),
    )
    scenario.worker(env={"HANDLER_SECONDS": "0.01"})
    scenario.wait_handled(90)

    assert status == 0
    assert handled == {
        partition: {*range(floor), *beyond[partition]} for partition, floor in floors.items() if partition in handled
    }
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    if ordering == "key":
        scenario.assert_in_order()
        scenario.assert_no_key_in_two_places()

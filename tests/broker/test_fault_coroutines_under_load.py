"""An async handler, two hundred coroutines of it, while workers are killed, join and are stopped under load.

Each message waits a while and then writes a row. Nothing is lost, each key is in order and never handled in two places,
whether a partition is in order as a whole or by key. Whoever is stopped ends what it has in hand, and leaves in peace.
"""

from __future__ import annotations

import pytest

from tests.faults.watching import elapse

pytestmark = pytest.mark.faults

SLOWLY = {"HANDLER_SECONDS": "0.03"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("ordering", ["key", "partition"])
def test_nothing_is_lost_and_each_key_stays_in_order(scenario, ordering):
    scenario.consumer |= {
        "message_handler": "tests.workload.handlers.each_async",
        "ordering": ordering,
        "concurrency": 200,
        "retry": {"attempts": None, "backoff_seconds": 0.2},
    }
    with scenario.watch_commits() as commits:
        with scenario.load.flowing(60):
            killed, stopped = scenario.worker(env=SLOWLY), scenario.worker(env=SLOWLY)
            scenario.wait_handled(count=200)
            scenario.load.send(5, fail=2)
            killed.kill()
            scenario.worker(env=SLOWLY)
            scenario.wait_handled(count=600, timeout=90)
            assert stopped.terminate() == 0
            elapse(2)
        scenario.wait_handled(90)

    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    scenario.assert_no_key_in_two_places()
    assert commits.samples > 10
    assert not commits.too_high
    assert scenario.effects.dead_letters() == 0

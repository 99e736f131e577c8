"""Messages are handled by key, and a worker is frozen under load for longer than its session lasts.

With offsets in Kafka nothing fences what it has in its handlers' hands: that may be handled beside the new owner, so
some of it twice. But it commits nothing when it goes on, nothing is lost, and both go on working.
"""

from __future__ import annotations

import pytest

from tests.faults.scenario import SESSION
from tests.faults.watching import elapse


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("handler", "concurrency"), [("each", 16), ("each_async", 200)])
def test_a_worker_that_was_taken_for_dead_commits_nothing_of_what_was_taken_from_it(scenario, handler, concurrency):
    scenario.consumer |= {
        "message_handler": f"tests.workload.handlers.{handler}",
        "ordering": "key",
        "concurrency": concurrency,
    }
    slowly = {"HANDLER_SECONDS": "0.02"}
    workers = [scenario.ready_worker(env=slowly), scenario.ready_worker(env=slowly)]
    with scenario.watch_commits() as commits, scenario.load.flowing(200):
        for worker in workers * 2:
            worker.freeze()
            elapse(SESSION["session.timeout.ms"] / 1000 + 2)
            worker.thaw()
            elapse(2)
    scenario.wait_handled(120)

    print(f"{len(scenario.repeated())} of {len(scenario.load.acknowledged)} records repeated")
    scenario.assert_nothing_lost()
    assert commits.samples > 10
    assert not commits.too_high
    assert scenario.effects.dead_letters() == 0
    assert [worker.terminate() for worker in workers] == [0, 0]

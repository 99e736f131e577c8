"""A worker starts before its broker does.

It says so once, tries again at a limited rate, and consumes as soon as the broker is there.
"""

from __future__ import annotations

import pytest

from tests.faults.watching import cpu_seconds, elapse

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_it_waits_with_one_clear_line_and_then_consumes(breakable_kafka, scenario_on, offset_storage):
    scenario = scenario_on(breakable_kafka)
    scenario.load.sent(50)
    breakable_kafka.kill()

    worker = scenario.worker(offset_storage=offset_storage)
    worker.wait_for_output("no broker can be reached")
    spent = cpu_seconds(worker.pid)
    elapse(5)
    assert cpu_seconds(worker.pid) - spent < 1
    assert worker.output().count("no broker can be reached") == 1
    breakable_kafka.start()

    scenario.wait_handled(40)
    worker.wait_for_output("Kafka is back")
    scenario.assert_nothing_lost()

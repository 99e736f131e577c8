"""A handler raises what ends programs, or what says that resources are gone.

SystemExit and KeyboardInterrupt stop the process; the message is neither committed nor a dead letter, and what was
handled before it stays handled. MemoryError and RecursionError are failures like others: a dead letter in the end.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
@pytest.mark.parametrize("raised", ["SystemExit", "KeyboardInterrupt"])
def test_what_ends_programs_ends_the_process_before_the_message(new_scenario, tmp_path, offset_storage, raised):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"offset_storage": offset_storage}
    scenario.load.sent(3)
    scenario.load.sent(1, once=str(tmp_path / "once"), **{"raise": raised})
    scenario.load.sent(3)

    worker = scenario.worker()

    assert worker.wait(timeout=40) == 1
    assert raised in worker.output()
    assert scenario.effects.count() == 3
    assert scenario.committed.read() == {0: 3}
    assert scenario.effects.dead_letters() == 0
    scenario.worker()
    scenario.wait_handled()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()


@pytest.mark.parametrize("raised", ["MemoryError", "RecursionError"])
def test_what_says_that_resources_are_gone_is_a_failure_like_others(new_scenario, raised):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"offset_storage": "database", "retry": {"attempts": 2, "backoff_seconds": 0.1}}
    scenario.load.sent(1, **{"raise": raised})
    scenario.load.sent(3)

    scenario.worker()

    scenario.wait_committed(40)
    assert scenario.effects.count() == 3
    assert scenario.effects.dead_letters() == 1

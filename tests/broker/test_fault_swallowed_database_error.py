"""A handler catches an error of the database and goes on, inside a transaction that can't be committed any more.

The message fails, as its effects would be lost without a word: the offset moves only with its dead letter.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.faults


@pytest.mark.parametrize(("handler", "transaction"), [("each", "message"), ("each", "batch"), ("Batch", "batch")])
def test_the_message_fails_and_the_others_take_effect(new_scenario, handler, transaction):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {
        "offset_storage": "database",
        "transaction": transaction,
        "message_handler": f"tests.workload.handlers.{handler}",
        "retry": {"attempts": 2, "backoff_seconds": 0.1},
    }
    scenario.load.sent(5)
    scenario.load.sent(1, swallow=True)
    scenario.load.sent(5)

    worker = scenario.worker()

    scenario.wait_committed(40)
    assert scenario.effects.count() == 10
    assert scenario.effects.dead_letters() == 1
    assert worker.output().count("is a dead letter after 2 attempt(s)") == 1
    scenario.assert_nothing_twice()
    scenario.assert_in_order()

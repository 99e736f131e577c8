"""A worker is killed (-9) while it handles a batch.

Nobody says goodbye: what was handled and not committed is delivered again to whoever comes next. With "kafka" that
means repeats, but no more than was uncommitted; with "database" each record has its effect once.
"""

from __future__ import annotations

import pytest

RECORDS = 1000
SLOWLY = {"HANDLER_SECONDS": "0.002"}


@pytest.mark.parametrize("handler", ["each", "Batch", "each_async"])
def test_with_offsets_in_the_database_each_record_takes_effect_once(scenario, handler):
    scenario.consumer |= {"offset_storage": "database", "message_handler": f"tests.workload.handlers.{handler}"}
    scenario.load.sent(RECORDS)
    with scenario.watch_commits() as commits:
        first = scenario.worker(env=SLOWLY)
        scenario.wait_handled(count=200)
        first.kill()
        assert scenario.effects.count() < RECORDS

        scenario.worker()
        scenario.wait_handled()

    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    scenario.assert_no_key_in_two_places()
    assert commits.samples
    assert not commits.too_high


@pytest.mark.parametrize("handler", ["each", pytest.param("Batch", marks=pytest.mark.faults)])
def test_with_offsets_in_kafka_no_record_is_lost_and_only_uncommitted_ones_are_repeated(scenario, handler):
    scenario.consumer |= {"message_handler": f"tests.workload.handlers.{handler}", "batch_size": 100}
    scenario.load.sent(RECORDS)
    with scenario.watch_commits() as commits:
        first = scenario.worker(env=SLOWLY)
        scenario.wait_handled(count=200)
        first.kill()
        committed, handled = scenario.committed.read(), scenario.effects.offsets()
        assert scenario.effects.count() < RECORDS

        scenario.worker()
        scenario.wait_handled()

    uncommitted = {(p, offset) for p, offsets in handled.items() for offset in offsets if offset >= committed.get(p, 0)}
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    assert scenario.repeated() <= uncommitted
    assert commits.samples
    assert not commits.too_high

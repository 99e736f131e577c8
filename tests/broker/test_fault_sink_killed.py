"""A worker is killed (-9) while a sink writes its batches.

What it wrote is in the transaction that moves the offset, or nowhere: with "database" each record is written once,
though every write of this sink would leave a row of its own. With "kafka" what was not committed is written again.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.faults

RECORDS = 1000
SLOWLY = {"HANDLER_SECONDS": "0.002"}
SINK = "tests.workload.sinks.Effects"


def test_with_offsets_in_the_database_each_record_is_written_once(scenario):
    scenario.consumer |= {"offset_storage": "database", "message_handler": SINK, "batch_size": 50}
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


def test_with_offsets_in_kafka_no_record_is_lost_and_only_uncommitted_ones_are_written_again(scenario):
    scenario.consumer |= {"message_handler": SINK, "batch_size": 50}
    scenario.load.sent(RECORDS)
    first = scenario.worker(env=SLOWLY)
    scenario.wait_handled(count=200)
    first.kill()
    committed, handled = scenario.committed.read(), scenario.effects.offsets()

    scenario.worker()
    scenario.wait_handled()

    uncommitted = {(p, offset) for p, offsets in handled.items() for offset in offsets if offset >= committed.get(p, 0)}
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    assert scenario.repeated() <= uncommitted

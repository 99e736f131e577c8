"""The brokers keep few characters with a commit (offset.metadata.max.bytes), and much is finished beyond an offset.

A commit with a note that is too large is refused whole. The offset is committed all the same, with as much of the note
as there is room for, and nothing is lost when the worker is killed.
"""

from __future__ import annotations

import pytest

from tests.waiting import wait_for

RECORDS = 1000


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_the_offset_is_committed_with_as_much_of_the_note_as_there_is_room_for(start_kafka, scenario_on, tmp_path):
    cluster = start_kafka(properties={"offset.metadata.max.bytes": 120})
    scenario = scenario_on(cluster, partitions=1)
    scenario.consumer |= {"ordering": "key", "concurrency": 8}
    scenario.load.sent(1)
    scenario.load.sent(1, key="slow", seconds=600, once=str(tmp_path / "slow"))
    for number in range(RECORDS):
        scenario.load.sent(1, key="slow" if number % 2 else f"{number}")
    worker = scenario.worker()

    wait_for(lambda: scenario.committed.read() == {0: 1}, 60, worker.tail)
    wait_for(lambda: len(scenario.committed.finished_beyond().get(0, ())) > 50, 60, worker.tail)
    worker.kill()
    scenario.worker()

    scenario.wait_handled()
    scenario.wait_committed()
    scenario.assert_nothing_lost()
    assert worker.output().count("offset.metadata.max.bytes") < 8
    assert "a commit failed" not in worker.output()

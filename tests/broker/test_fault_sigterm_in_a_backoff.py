"""A worker is asked to stop while a failed message waits for its next attempt, or for its dead letter to be written.

It leaves promptly; the message is neither handled nor kept anywhere, so its offset is not committed, and the next
worker gets it.
"""

from __future__ import annotations

import signal
import uuid
from time import monotonic

import psycopg
import pytest

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_a_backoff_is_not_waited_for_and_nothing_is_committed(new_scenario, tmp_path, offset_storage):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"offset_storage": offset_storage, "retry": {"attempts": 5, "backoff_seconds": 60}}
    worker = scenario.ready_worker()
    scenario.load.sent(1, fail=1, once=str(tmp_path / "once"))
    scenario.load.sent(3)
    worker.wait_for_output("attempt 1 .* failed, next in")

    assert stops_within(worker, seconds=3)

    assert scenario.committed.read().get(0, 0) == 0
    assert scenario.effects.count() == 0
    scenario.worker()
    scenario.wait_handled()
    scenario.assert_in_order()


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_a_dead_letter_that_cannot_be_written_holds_the_offset(new_scenario, offset_storage):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"offset_storage": offset_storage, "retry": {"attempts": 1}}
    rename(scenario, "kafka_integration_deadletter", "elsewhere")
    worker = scenario.ready_worker()
    scenario.load.sent(1, fail=100)
    worker.wait_for_output("can't be written as a dead letter")

    assert stops_within(worker, seconds=3)

    assert scenario.committed.read().get(0, 0) == 0
    rename(scenario, "elsewhere", "kafka_integration_deadletter")
    scenario.worker()
    scenario.wait_committed()
    assert scenario.effects.dead_letters() == 1


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_a_copy_that_its_topic_does_not_take_holds_the_offset(new_scenario, create_topic, kcat, offset_storage):
    scenario = new_scenario(partitions=1)
    copies = f"copies-{uuid.uuid4().hex[:8]}"
    scenario.consumer |= {"offset_storage": offset_storage, "retry": {"attempts": 1}, "dead_letter_topic": copies}
    worker = scenario.ready_worker()
    scenario.load.sent(1, fail=100)
    scenario.load.sent(3)
    worker.wait_for_output("can't be written as a dead letter", 40)

    assert stops_within(worker, seconds=3)

    assert scenario.committed.read().get(0, 0) == 0
    assert scenario.effects.count() == scenario.effects.dead_letters() == 0
    create_topic(copies, partitions=1)
    scenario.worker()
    scenario.wait_committed()
    assert scenario.effects.dead_letters() == 1
    assert scenario.effects.count() == 3
    assert [record.partition for record in kcat.consume(copies)] == [0]


def stops_within(worker, seconds: float) -> bool:
    asked_at = monotonic()
    worker.signal(signal.SIGTERM)
    return worker.wait(timeout=20) == 0 and monotonic() - asked_at < seconds


def rename(scenario, table: str, name: str) -> None:
    with psycopg.connect(scenario.database_url) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME TO {name}".encode())

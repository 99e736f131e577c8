"""Handlers deadlock with each other, or PostgreSQL can't serialize their transactions.

The whole transaction is run again, on a budget of its own: no attempt is used, and each record has one effect.
"""

from __future__ import annotations

import psycopg
import pytest

from tests.waiting import wait_for

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("transaction", ["message", "batch"])
def test_handlers_that_deadlock_are_run_again(new_scenario, transaction):
    scenario = new_scenario(partitions=2)
    scenario.consumer |= {"offset_storage": "database", "transaction": transaction, "concurrency": 2}
    for _ in range(10):
        scenario.load.sent(1, partition=0, key="there", locks=[1, 2])
        scenario.load.sent(1, partition=1, key="and back", locks=[2, 1])

    worker = scenario.worker()

    scenario.wait_handled()
    # PostgreSQL counts a session's deadlocks at its end, if not before.
    assert worker.terminate() == 0
    wait_for(lambda: deadlocks_in(scenario.database_url), 10, "a deadlock: the transactions never met")
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    assert {effect.attempt for effect in scenario.effects.read()} == {1}
    assert "is a dead letter" not in worker.output()


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_a_transaction_that_cannot_be_serialized_is_run_again(new_scenario, tmp_path, offset_storage):
    scenario = new_scenario(partitions=1)
    scenario.consumer |= {"offset_storage": offset_storage}
    scenario.load.sent(3)
    scenario.load.sent(1, sqlstate="40001", once=str(tmp_path / "once"))
    scenario.load.sent(3)

    scenario.worker()

    scenario.wait_handled()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    assert {effect.attempt for effect in scenario.effects.read()} == {1}


def deadlocks_in(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    assert row is not None
    return int(row[0])

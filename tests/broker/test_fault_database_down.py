"""PostgreSQL restarts, is killed, is away for minutes, or takes no writes.

The partitions pause while polling goes on: nobody is thrown out of the group. No attempt is used and nothing becomes
a dead letter; once the database is back, each record has its effect, once.
"""

from __future__ import annotations

import pytest

from tests.faults.watching import elapse, resident_mib

SLOWLY = {"HANDLER_SECONDS": "0.002"}


@pytest.mark.parametrize(
    ("offset_storage", "handler"),
    [
        ("database", "each"),
        ("database", "Batch"),
        pytest.param("database", "each_async", marks=pytest.mark.faults),
        pytest.param("kafka", "each", marks=pytest.mark.faults),
        pytest.param("kafka", "Batch", marks=pytest.mark.faults),
    ],
)
def test_restarts_and_kills_under_load(scenario_on_breakable_postgres, breakable_postgres, offset_storage, handler):
    scenario = scenario_on_breakable_postgres
    scenario.consumer |= {"offset_storage": offset_storage, "message_handler": f"tests.workload.handlers.{handler}"}
    # Small batches, or with offsets in Kafka a whole blow may fall between two looks at the database.
    scenario.consumer["batch_size"] = 50
    scenario.load.sent(1500)
    worker = scenario.worker(env=SLOWLY)
    for number, blow in enumerate((breakable_postgres.restart, kill_and_start, breakable_postgres.restart)):
        scenario.wait_handled(60, count=200 + 300 * number)
        blow(breakable_postgres) if blow is kill_and_start else blow("immediate" if number else "fast")

    scenario.wait_handled(60)

    assert worker.running
    assert "waits" in worker.output(), "the load was over before the fault came"
    assert_as_if_nothing_had_been(scenario, worker, offset_storage)


@pytest.mark.parametrize("offset_storage", ["kafka", pytest.param("database", marks=pytest.mark.faults)])
def test_restarts_beneath_a_handler_that_collects_failures(
    scenario_on_breakable_postgres, breakable_postgres, offset_storage
):
    scenario = scenario_on_breakable_postgres
    scenario.consumer |= {
        "offset_storage": offset_storage,
        "message_handler": "tests.workload.handlers.Collecting",
        "retry": {"attempts": 1},
    }
    scenario.load.sent(1500)
    worker = scenario.worker(env=SLOWLY)
    for number in range(3):
        scenario.wait_handled(60, count=200 + 300 * number)
        breakable_postgres.restart("fast")

    scenario.wait_handled(60)

    assert worker.running
    assert scenario.effects.dead_letters() == 0
    scenario.assert_nothing_lost()
    if offset_storage == "database":
        scenario.assert_nothing_twice()
        scenario.assert_in_order()


@pytest.mark.parametrize("offset_storage", ["database", pytest.param("kafka", marks=pytest.mark.faults)])
def test_a_database_that_takes_no_writes(scenario_on_breakable_postgres, breakable_postgres, offset_storage):
    scenario = scenario_on_breakable_postgres
    scenario.consumer |= {"offset_storage": offset_storage}
    scenario.load.sent(1500)
    worker = scenario.worker(env=SLOWLY)
    scenario.wait_handled(count=100)

    breakable_postgres.set_read_only(True)
    try:
        elapse(8)
    finally:
        breakable_postgres.set_read_only(False)

    scenario.wait_handled(60)
    assert "waits" in worker.output(), "the load was over before the fault came"
    assert_as_if_nothing_had_been(scenario, worker, offset_storage)


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("offset_storage", ["database", "kafka"])
@pytest.mark.parametrize("trouble", ["down", "read-only", "frozen"])
def test_five_minutes_without_a_database(scenario_on_breakable_postgres, breakable_postgres, offset_storage, trouble):
    scenario = scenario_on_breakable_postgres
    scenario.consumer |= {"offset_storage": offset_storage}
    scenario.consumer["config"] = {**scenario.consumer["config"], "max.poll.interval.ms": 30_000}
    scenario.consumer["rebalance_drain_seconds"] = 10
    scenario.load.sent(20_000)
    worker = scenario.worker(env=SLOWLY)
    scenario.wait_handled(count=1000)
    before = resident_mib(worker.pid)

    begin, end = {
        "down": (breakable_postgres.kill, breakable_postgres.start),
        "read-only": (
            lambda: breakable_postgres.set_read_only(True),
            lambda: breakable_postgres.set_read_only(False),
        ),
        "frozen": (breakable_postgres.freeze, breakable_postgres.thaw),
    }[trouble]
    begin()
    elapse(300)
    grown = resident_mib(worker.pid) - before
    end()
    assert scenario.effects.count() < 20_000, "the load was over before the fault came"

    scenario.wait_handled(200)
    assert grown < 30, f"memory grew by {grown:.0f} MiB"
    assert worker.running
    assert "to the group without notice" not in worker.output()
    assert len(worker.output().splitlines()) < 200
    assert_as_if_nothing_had_been(scenario, worker, offset_storage)


def assert_as_if_nothing_had_been(scenario, worker, offset_storage) -> None:
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    assert scenario.effects.dead_letters() == 0
    assert {effect.attempt for effect in scenario.effects.read()} == {1}
    assert "is a dead letter" not in worker.output()
    if offset_storage == "database":
        scenario.assert_nothing_twice()


def kill_and_start(server) -> None:
    server.kill()
    server.start()
